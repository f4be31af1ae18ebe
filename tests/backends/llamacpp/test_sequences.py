from backends.llamacpp.sequences import Sequence, Sequences


def filled(*contents: list[int], chunk: int = 0) -> Sequences:
    sequences = Sequences(3, 100, chunk)
    for sequence, tokens in zip(sequences.all, contents, strict=False):
        sequences.take(sequence)
        sequences.append(sequence, tokens)
        sequences.release(sequence)
    return sequences


def held(sequences: Sequences) -> list[list[int]]:
    return [sequence.tokens for sequence in sequences.all]


def shared(sequences: Sequences, keep: int) -> tuple[Sequence, Sequence]:
    one, other = sequences.all[:2]
    sequences.share(one, other, keep)
    return one, other


def test_a_shared_cell_counts_once_until_nobody_holds_it():
    sequences = filled([1, 2, 3, 4])
    one, other = shared(sequences, 3)
    sequences.append(other, [9])
    assert held(sequences) == [[1, 2, 3, 4], [1, 2, 3, 9], []]
    assert sequences.free == 100 - 5
    sequences.cut(one, 0)
    assert sequences.free == 100 - 4
    sequences.cut(other, 1)
    assert sequences.free == 100 - 1


def test_a_sequence_knows_which_cells_are_its_own():
    sequences = filled([1, 2, 3, 4])
    one, other = shared(sequences, 3)
    assert (sequences.own(one), sequences.own(one, 3), sequences.own(other)) == (1, 1, 0)


def test_taking_a_gap_out_moves_the_rest_up():
    sequences = filled([1, 2, 3, 4, 5, 6])
    one, _ = shared(sequences, 3)
    sequences.remove(one, 1, 4)
    assert held(sequences)[:2] == [[1, 5, 6], [1, 2, 3]]
    assert sequences.free == 100 - 5  # the shared 2 and 3 stay for the other


def test_the_idle_one_used_longest_ago_comes_first():
    sequences = filled([1], [2], [3])
    sequences.take(sequences.all[0])
    assert [each.id for each in sequences.idle()] == [1, 2]
    sequences.release(sequences.all[0])
    assert [each.id for each in sequences.idle()] == [1, 2, 0]


def test_only_whole_aligned_chunks_are_solid():
    sequences = Sequences(2, 100, chunk=4)
    one = sequences.all[0]
    for size, solid in ((4, 4), (4, 8), (2, 8), (4, 8), (1, 8)):
        sequences.append(one, [7] * size)
        assert one.solid == solid
    _, other = shared(sequences, 6)
    assert other.solid == 6
    sequences.cut(one, 5)
    assert one.solid == 5
