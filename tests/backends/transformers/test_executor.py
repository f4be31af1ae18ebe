"""The executor on a tiny model: memory that runs out, passes that are broken off, caches cut and shared."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch")
library = pytest.importorskip("transformers")

from backends.errors import EngineFailed, OutOfMemory, SamovarError  # noqa: E402
from backends.llamacpp.engine import Engine  # noqa: E402
from backends.llamacpp.executor import Outcome, Part  # noqa: E402
from backends.llamacpp.run import LlamaGeneration, Run  # noqa: E402
from backends.sampling import SamplingParams  # noqa: E402
from backends.textstream import TextStream  # noqa: E402
from backends.transformers.executor import TorchExecutor  # noqa: E402
from backends.transformers.sampling import Sampler  # noqa: E402
from backends.values import Done, Event, Progress, TextDelta  # noqa: E402

SIZE, CELLS = 40, 200
SMALL = {"vocab_size": SIZE, "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2}


class Words:
    size = SIZE
    ends: frozenset[int] = frozenset()

    def __init__(self) -> None:
        self.spelled = self.pieces = {token: b"w%d " % token for token in range(SIZE)}


def llama() -> Any:
    torch.manual_seed(1)
    config = library.LlamaConfig(**SMALL, intermediate_size=32, initializer_range=0.5, eos_token_id=None)
    return library.LlamaForCausalLM(config).eval()


def recurrent() -> Any:
    """Qwen 3.5's kind: most layers keep one state instead of all keys."""
    torch.manual_seed(1)
    config = library.Qwen3NextConfig(
        **SMALL, intermediate_size=32, num_key_value_heads=1, head_dim=8, linear_num_value_heads=2,
        linear_num_key_heads=2, linear_key_head_dim=8, linear_value_head_dim=8, num_experts=0, decoder_sparse_step=99,
        layer_types=["linear_attention", "linear_attention", "full_attention"], mlp_only_layers=[0, 1, 2],
    )  # fmt: skip
    return library.Qwen3NextForCausalLM(config).eval()


@pytest.fixture
def executor() -> Iterator[TorchExecutor]:
    made = TorchExecutor(llama(), "tiny", CELLS, 3)
    yield made
    made.close()


def logits(executor: TorchExecutor, sequence: int, start: int, tokens: list[int]) -> Any:
    assert executor.decode([Part(sequence, start, tokens, logits=True)]) is Outcome.DONE
    return executor._logits[len(tokens) - 1]


def failing(executor: TorchExecutor, fails: Callable[[list[int]], Exception | None]) -> None:
    """Let the model fail, in its last layer, at the inputs for which there is an error."""
    current: list[list[int]] = []

    def look(_module: Any, _args: Any, given: dict[str, Any]) -> None:
        current[:] = [given["input_ids"].flatten().tolist()]

    def fail(*_: Any) -> None:
        if (error := fails(current[0])) is not None:
            raise error

    executor._model.register_forward_pre_hook(look, with_kwargs=True)
    executor._model.model.layers[-1].register_forward_pre_hook(fail)


def cuda_memory(_tokens: list[int]) -> Exception | None:
    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore words.")


def close_to(one: Any, other: Any) -> bool:
    return bool(torch.allclose(one, other, atol=1e-4))


def test_what_is_cut_can_be_read_again(executor: TorchExecutor) -> None:
    tokens = [5, 6, 7, 8, 9]
    whole = logits(executor, 0, 0, tokens)
    assert executor.cut(0, 2)
    assert close_to(logits(executor, 0, 2, tokens[2:]), whole)
    assert executor.cut(0, 0)
    assert close_to(logits(executor, 0, 0, tokens), whole)


def test_a_shared_beginning_is_apart_from_then_on(executor: TorchExecutor) -> None:
    whole = logits(executor, 0, 0, [5, 6, 7, 8])
    executor.share(0, 1, 3)
    assert close_to(logits(executor, 1, 3, [8]), whole)
    other = logits(executor, 1, 4, [20, 21])
    assert close_to(logits(executor, 0, 4, [20, 21]), other), "neither sees what the other adds"


def test_several_sequences_in_one_step(executor: TorchExecutor) -> None:
    alone = [logits(executor, 0, 0, [5, 6]), logits(executor, 1, 0, [7])]
    executor.cut(0, 0), executor.cut(1, 0)
    parts = [Part(0, 0, [5, 6], logits=True), Part(2, 0, [9, 9], logits=False), Part(1, 0, [7], logits=True)]
    assert executor.decode(parts) is Outcome.DONE
    assert executor._logits.keys() == {1, 4}
    assert close_to(executor._logits[1], alone[0]) and close_to(executor._logits[4], alone[1])


def test_a_pass_is_broken_off_between_layers_and_can_be_taken_back(executor: TorchExecutor) -> None:
    whole = logits(executor, 0, 0, [5, 6, 7, 8])
    executor.cut(0, 2)
    middle = executor._model.model.layers[1].register_forward_pre_hook(lambda *_: executor.interrupt())
    assert executor.decode([Part(0, 2, [7, 8], logits=True)]) is Outcome.ABORTED
    middle.remove()
    executor.resume()
    assert executor.cut(0, 2)
    assert close_to(logits(executor, 0, 2, [7, 8]), whole)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), OutOfMemory),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"), OutOfMemory),
        (MemoryError(), OutOfMemory),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), EngineFailed),
    ],
)
def test_a_failure_hits_only_its_own_sequence(
    executor: TorchExecutor, error: Exception, expected: type[SamovarError]
) -> None:
    failing(executor, lambda tokens: error if 33 in tokens else None)
    params = SamplingParams(temperature=0)
    parts = [Part(0, 0, [5], logits=True), Part(1, 0, [33], logits=True), Part(2, 0, [7], logits=True)]
    assert executor.decode(parts) is Outcome.DONE
    with pytest.raises(expected):
        executor.sample(Sampler(params, Words(), CELLS, 1), 1)
    assert executor.sample(Sampler(params, Words(), CELLS, 1), 0) >= 0
    assert executor.sample(Sampler(params, Words(), CELLS, 1), 2) >= 0
    assert not executor.cut(1, 1), "nothing is left to go on from"
    assert executor.cut(1, 0)
    assert executor.decode([Part(1, 0, [6], logits=True)]) is Outcome.DONE
    assert executor.sample(Sampler(params, Words(), CELLS, 1), 0) >= 0


def test_idle_caches_are_given_up_before_a_request_is(executor: TorchExecutor) -> None:
    logits(executor, 2, 0, [1, 2, 3])
    failing(executor, lambda tokens: cuda_memory(tokens) if executor._held[2] else None)
    parts = [Part(0, 0, [5, 6], logits=True)]
    assert executor.decode(parts) is Outcome.FULL
    executor.cut(2, 0)
    assert executor.decode(parts) is Outcome.DONE
    assert executor._held[:3] == [2, 0, 0]


def test_a_recurrent_state_is_kept_only_as_it_is() -> None:
    executor = TorchExecutor(recurrent(), "tiny", CELLS, 2)
    assert not executor.cuttable
    whole = logits(executor, 0, 0, [5, 6, 7])
    executor.cut(0, 0)
    logits(executor, 0, 0, [5, 6])
    assert executor.cut(0, 2) and not executor.cut(0, 1)
    assert close_to(logits(executor, 0, 2, [7]), whole)
    executor.close()


# With the engine


def run(prompt: list[int], limit: int = 8, user: str = "") -> Run:
    sampler = Sampler(SamplingParams(temperature=0), Words(), CELLS, 1, prompt)
    return Run(prompt, limit=limit, sampler=sampler, stream=TextStream(), user=user)


def events(engine: Engine, each: Run) -> list[Event]:
    engine.submit(each)
    return list(LlamaGeneration(engine, each))


@pytest.fixture
def engine(executor: TorchExecutor) -> Iterator[Engine]:
    made = Engine(executor, Words(), 3)
    yield made
    made.close()


def test_memory_runs_out_for_one_and_the_engine_lives_on(executor: TorchExecutor, engine: Engine) -> None:
    failing(executor, lambda tokens: cuda_memory(tokens) if 33 in tokens else None)
    expected = events(engine, run([5, 6, 7]))
    with pytest.raises(OutOfMemory, match="not enough memory for tiny: CUDA out of memory"):
        events(engine, run([5, 33, 7]))
    again = events(engine, run([5, 6, 7]))
    assert [each for each in again if isinstance(each, TextDelta)] == [
        each for each in expected if isinstance(each, TextDelta)
    ]


def test_memory_runs_out_while_another_writes(executor: TorchExecutor, engine: Engine) -> None:
    failing(executor, lambda tokens: cuda_memory(tokens) if 33 in tokens else None)
    other, found = run([5, 6, 7], 60), []
    thread = threading.Thread(target=lambda: found.extend(events(engine, other)))
    thread.start()
    with pytest.raises(OutOfMemory):
        events(engine, run([5, 33, 7]))
    thread.join(30)
    assert isinstance(found[-1], Done) and found[-1].usage.completion_tokens == 60


def test_a_cancel_breaks_off_the_reading(executor: TorchExecutor, engine: Engine) -> None:
    """In the middle of a pass, not after it: the second layer is never reached."""
    reached, seen = threading.Event(), []
    each = run(list(range(1, 39)) * 4)

    def wait(*_: Any) -> None:
        reached.set()
        assert cancelled.wait(20)

    cancelled = threading.Event()
    executor._model.model.embed_tokens.register_forward_pre_hook(wait)
    executor._model.model.layers[1].register_forward_pre_hook(lambda *_: seen.append(1))
    engine.submit(each)
    assert reached.wait(20)
    engine.cancel(each)
    cancelled.set()
    *before, done = LlamaGeneration(engine, each)
    assert isinstance(done, Done) and done.reason == "cancelled" and not seen
    assert [event.done for event in before if isinstance(event, Progress)] == [0]


def test_closing_gives_the_model_back(executor: TorchExecutor, engine: Engine) -> None:
    events(engine, run([5, 6, 7]))
    engine.close()
    assert executor._model is None and not executor._caches


def test_sequences_of_one_length_are_read_as_a_batch(executor: TorchExecutor) -> None:
    """As beams are: shared, grown by a token each, shared anew; and each is what it would be alone."""
    widths: list[int] = []
    executor._model.register_forward_pre_hook(
        lambda _module, _args, given: widths.append(given["input_ids"].shape[0]), with_kwargs=True
    )
    logits(executor, 0, 0, [5, 6, 7])
    executor.share(0, 1, 3), executor.share(0, 2, 3)
    parts = [Part(0, 3, [8], logits=True), Part(1, 3, [9], logits=True), Part(2, 3, [10], logits=True)]
    assert executor.decode(parts) is Outcome.DONE and widths == [1, 3]
    rows = [executor.logits(at) for at in range(3)]
    executor.cut(2, 0)
    executor.share(1, 2, 4)
    assert executor.decode([Part(1, 4, [11], logits=True), Part(2, 4, [12], logits=True)]) is Outcome.DONE
    rows += [executor.logits(at) for at in range(2)]
    assert widths == [1, 3, 2]
    for found, tokens in zip(rows, ([8], [9], [10], [9, 11], [9, 12]), strict=True):
        executor.cut(3, 0)
        assert close_to(torch.tensor(found), logits(executor, 3, 0, [5, 6, 7, *tokens]))


def test_a_row_does_not_keep_its_batch_in_memory(executor: TorchExecutor) -> None:
    logits(executor, 0, 0, [5, 6, 7])
    executor.share(0, 1, 3)
    assert executor.decode([Part(0, 3, [8], logits=True), Part(1, 3, [9], logits=True)]) is Outcome.DONE
    keys = executor._caches[0].layers[0].keys
    assert keys.untyped_storage().nbytes() == 2 * keys.nbytes
    logits(executor, 2, 0, [1])
    keys = executor._caches[0].layers[0].keys
    assert keys.untyped_storage().nbytes() == keys.nbytes and not executor._wide
    whole = logits(executor, 0, 4, [1])
    assert close_to(logits(executor, 3, 0, [5, 6, 7, 8, 1]), whole)


def test_what_fails_in_a_batch_is_read_one_by_one(executor: TorchExecutor) -> None:
    logits(executor, 0, 0, [5, 6, 7])
    executor.share(0, 1, 3)
    failing(executor, lambda tokens: ValueError("no") if 8 in tokens else None)
    parts = [Part(0, 3, [8], logits=True), Part(1, 3, [9], logits=True)]
    assert executor.decode(parts) is Outcome.DONE
    with pytest.raises(EngineFailed):
        executor.logits(0)
    found = torch.tensor(executor.logits(1))
    executor.cut(0, 0)
    assert close_to(found, logits(executor, 0, 0, [5, 6, 7, 9]))
