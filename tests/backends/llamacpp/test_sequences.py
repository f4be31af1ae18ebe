from backends.llamacpp.sequences import Placement, Sequences, common_length


def filled(*contents: list[int], cells: int = 100, cuttable: bool = True) -> Sequences:
    sequences = Sequences(max(3, len(contents)), cells, cuttable)
    for index, tokens in enumerate(contents):
        slot = sequences.take(Placement(index, 0))
        sequences.append(slot, tokens)
        sequences.release(slot)
    return sequences


def test_the_common_length_is_exact_around_block_edges():
    long = list(range(1000))
    for at in (0, 1, 255, 256, 257, 511, 512, 999):
        other = [*long]
        other[at] = -1
        assert common_length(long, other) == at
    assert common_length(long, long[:300]) == 300
    assert common_length(long, long) == 1000
    assert common_length([], long) == 0


def test_an_empty_pool_gives_an_empty_sequence():
    assert filled().find([1, 2, 3]) == Placement(0, 0)


def test_the_longest_common_beginning_is_taken_over():
    sequences = filled([1, 2, 3, 4], [1, 2, 9, 9], [7, 7])
    assert sequences.find([1, 2, 3, 4, 5]) == Placement(0, 4)
    assert sequences.find([1, 2, 9, 5]) == Placement(1, 3)


def test_the_last_token_of_the_prompt_is_always_read_again():
    assert filled([1, 2, 3, 4]).find([1, 2, 3, 4]) == Placement(0, 3)
    assert filled([1]).find([1]) == Placement(1, 0)


def test_a_short_beginning_is_shared_rather_than_taken_from_a_long_sequence():
    sequences = filled([1, 2, *range(10, 40)])
    placement = sequences.find([1, 2, 3])
    assert placement == Placement(1, 2, source=0)
    slot = sequences.take(placement)
    assert slot.tokens == [1, 2]
    assert sequences.free == 100 - 32
    assert len(sequences.all[0].tokens) == 32


def test_without_an_empty_sequence_the_one_used_longest_ago_gives_way():
    sequences = filled([5, 5], [6, 6], [1, 2, *range(10, 40)])
    assert sequences.find([9, 9]) == Placement(0, 0)
    assert sequences.find([1, 2, 3]) == Placement(0, 2, source=2)


def test_the_only_idle_sequence_is_taken_however_little_it_saves():
    sequences = Sequences(1, 100)
    slot = sequences.take(Placement(0, 0))
    sequences.append(slot, [1, *range(50)])
    sequences.release(slot)
    assert sequences.find([1, 2, 3]) == Placement(0, 1)


def test_a_running_sequence_shares_its_beginning_but_is_never_taken():
    sequences = Sequences(2, 100)
    slot = sequences.take(Placement(0, 0))
    sequences.append(slot, [1, 2, 3, 4])
    placement = sequences.find([1, 2, 3, 9])
    assert placement == Placement(1, 3, source=0)
    other = sequences.take(placement)
    sequences.append(other, [9])
    assert sequences.free == 100 - 5
    sequences.cut(slot, 0)
    assert sequences.free == 100 - 4
    sequences.cut(other, 1)
    assert sequences.free == 100 - 1


def test_eviction_empties_the_oldest_until_there_is_room():
    sequences = filled([1] * 30, [2] * 30, [3] * 30)
    emptied = sequences.evict(25)
    assert [each.id for each in emptied] == [0]
    assert sequences.free == 40
    assert [each.id for each in sequences.evict(100)] == [1, 2]
    assert sequences.free == 100


def test_eviction_leaves_running_sequences_alone():
    sequences = filled([1] * 30, [2] * 30)
    sequences.take(Placement(0, 30))
    assert [each.id for each in sequences.evict(100)] == [1]
    assert sequences.free == 70


def test_a_recurrent_model_reuses_only_what_a_prompt_extends():
    sequences = filled([1, 2, 3], cuttable=False)
    assert sequences.find([1, 2, 3, 4]) == Placement(0, 3)
    assert sequences.find([1, 2, 9]) == Placement(1, 0)
    assert sequences.find([1, 2, 3]) == Placement(1, 0)
    sequences.take(Placement(0, 3))
    assert sequences.find([1, 2, 3, 4]) == Placement(1, 0)
