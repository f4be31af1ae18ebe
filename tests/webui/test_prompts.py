"""What fits, counted exactly; what was read once is not read again."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from backends.errors import PromptTooLong, TemplateFailed
from backends.sampling import SamplingParams
from backends.scripted import Script, ScriptedBackend
from backends.values import ChatPrompt, Encoded, Message, ModelInfo, Prompt
from webui.dialogue import Node
from webui.errors import WindowTooSmall
from webui.history.store import History
from webui.prompts import Fitted, Prompts

NEUTRAL = SamplingParams()
DEFAULT_SYSTEM = "be nice and helpful please"


class Reader(ScriptedBackend):
    """Keeps what it was asked to encode; `tokenizer` and a template with a default system message can be had."""

    def __init__(self, window: int = 8192, tokenizer: str = "words", greets: bool = False) -> None:
        super().__init__(Script(window=window))
        self.read: list[ChatPrompt] = []
        self._tokenizer, self._greets = tokenizer, greets

    @property
    def info(self) -> ModelInfo:
        return replace(super().info, tokenizer=self._tokenizer, fingerprint=f"weights {self._greets}")

    def encode(self, prompt: Prompt) -> Encoded:
        assert isinstance(prompt, ChatPrompt)
        self.read.append(prompt)
        if not self._greets or "system" in [message.role for message in prompt.messages]:
            return super().encode(prompt)
        head = super().tokenize(f"<system>{DEFAULT_SYSTEM}</system>")
        encoded = super().encode(prompt)
        return Encoded(head + encoded.tokens, tuple(len(head) + end for end in encoded.ends))

    @property
    def longest(self) -> int:
        """How many messages the longest prompt had that was read since `forget`."""
        return max(len(prompt.messages) for prompt in self.read)

    def forget(self) -> None:
        self.read.clear()


Build = Callable[[], Prompts]


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    history = History(f"sqlite:///{tmp_path / 'samovar.db'}")
    yield history
    history.close()


def talk(history: History, count: int, words: int = 8) -> tuple[int, tuple[Node, ...]]:
    chat = history.create_chat(1, "talk").id
    tip: int | None = None
    for i in range(count):
        text = f"{i} " + "word " * (words + i % 5)
        tip = history.add_message(1, chat, tip, "assistant" if i % 2 else "user", text.strip()).id
    return chat, history.dialogue(1, chat).path


def fit(prompts: Prompts, backend: Reader, path: tuple[Node, ...], system: str = "", prefix: str = "",
        max_tokens: int = 0) -> Fitted:  # fmt: skip
    return prompts.fit(backend, system, path, "assistant", prefix, SamplingParams(max_tokens=max_tokens))


@pytest.mark.parametrize("greets", [False, True])
@pytest.mark.parametrize("system", ["", "You are a samovar."])
@pytest.mark.parametrize("prefix", ["", "Well, then"])
def test_the_count_is_exact(history: History, system: str, greets: bool, prefix: str) -> None:
    backend, prompts = Reader(window=512, greets=greets), Prompts(history)
    _, path = talk(history, 120)
    dropped = set()
    for count in range(1, 120):
        fitted = fit(prompts, backend, path[:count], system, prefix)
        assert fitted.plan.used == len(ScriptedBackend.encode(backend, fitted.prompt).tokens) + (
            len(backend.tokenize(f"<system>{DEFAULT_SYSTEM}</system>")) if greets and not system else 0
        )
        assert fitted.plan.used + fitted.plan.reserve <= 512
        kept = path[fitted.plan.dropped : count]
        assert fitted.first == kept[0].id
        assert [m.content for m in fitted.prompt.messages][bool(system) :] == [node.content for node in kept]
        dropped.add(fitted.plan.dropped)
    assert len(dropped) > 3


@pytest.mark.parametrize("system", ["", "You are a samovar."])
def test_the_system_message_shifts_nothing(history: History, system: str) -> None:
    _, path = talk(history, 60)
    fitted = fit(Prompts(history), Reader(window=300), path, system)
    assert fitted.plan.dropped > 0
    assert fitted.prompt.messages[: bool(system)] == ((Message("system", system),) if system else ())
    assert fitted.first == path[fitted.plan.dropped].id
    assert len(fitted.prompt.messages) == bool(system) + 60 - fitted.plan.dropped
    assert fitted.prompt.messages[bool(system)].role == "user"


def test_a_long_dialogue_is_read_whole_at_most_once(history: History) -> None:
    backend, prompts = Reader(window=100_000), Prompts(history)
    chat, path = talk(history, 1000)
    fit(prompts, backend, path, "Be brief.")
    assert sum(len(prompt.messages) > 900 for prompt in backend.read) == 1
    backend.forget()
    node = history.add_message(1, chat, path[-1].id, "user", "one more")
    fitted = fit(prompts, backend, (*path, node), "Be brief.")
    assert fitted.plan.used == len(ScriptedBackend.encode(backend, fitted.prompt).tokens)
    assert len(fitted.prompt.messages) == 1002
    assert backend.longest <= 4


def test_typing_reads_only_the_tail(history: History) -> None:
    backend, prompts = Reader(window=2048), Prompts(history)
    _, path = talk(history, 1000)
    fit(prompts, backend, path)
    backend.forget()
    for length in range(1, 40):
        fitted = fit(prompts, backend, (*path, Node(0, path[-1].id, "user", "word " * length)))
        assert fitted.plan.used == len(ScriptedBackend.encode(backend, fitted.prompt).tokens)
    whole = [prompt for prompt in backend.read if len(prompt.messages) > 4]
    assert len(whole) <= 2, "once for each message that the prompt begins with"


def test_costs_outlive_the_server(history: History) -> None:
    _, path = talk(history, 1000)
    fit(Prompts(history), Reader(window=2048), path)
    backend = Reader(window=2048)
    fitted = fit(Prompts(history), backend, path)
    assert backend.longest == len(fitted.prompt.messages) < 300


def test_another_tokenizer_counts_anew(history: History) -> None:
    prompts = Prompts(history)
    _, path = talk(history, 50)
    ids = [node.id for node in path]
    name = prompts._costs.measure(Reader(), "", path, "assistant", "").tokenizer
    # The last one is counted for good when it has been answered.
    assert len(history.counts(ids, name)) == 49
    other = Reader(tokenizer="other words")
    fit(prompts, other, path)
    assert other.longest == 50
    assert prompts._costs.measure(other, "", path, "assistant", "").tokenizer != name


def test_another_template_of_the_same_name_counts_anew(history: History) -> None:
    prompts = Prompts(history)
    _, path = talk(history, 10)
    plain, greeting = Reader(), Reader(greets=True)
    assert (plain.info.tokenizer, plain.info.template) == (greeting.info.tokenizer, greeting.info.template)
    names = {prompts._costs.measure(backend, "", path, "assistant", "").tokenizer for backend in (plain, greeting)}
    assert len(names) == 2


def test_a_reply_that_went_on_is_counted_anew(history: History) -> None:
    backend = Reader(window=4096)
    chat, path = talk(history, 4)
    before = fit(Prompts(history), backend, path).plan.used
    history.begin_draft(path[-1].id)
    history.finish(path[-1].id, path[-1].content + " and so on", "", "done", None)
    for prompts in (Prompts(history), Prompts(history)):
        assert fit(prompts, backend, history.dialogue(1, chat).path).plan.used == before + 3


def test_a_reply_being_written_is_not_kept_as_counted(history: History) -> None:
    prompts, backend = Prompts(history), Reader()
    chat, path = talk(history, 4)
    history.begin_draft(path[-1].id)
    path = history.dialogue(1, chat).path
    measured = prompts._costs.measure(backend, "", path, "assistant", "")
    assert set(history.counts([node.id for node in path], measured.tokenizer)) == {node.id for node in path[:-1]}


def test_the_end_of_the_prompt_is_as_asked(history: History) -> None:
    _, path = talk(history, 3)
    fitted = Prompts(history).fit(Reader(), "", path, "user", "I", NEUTRAL)
    assert (fitted.prompt.speaker, fitted.prompt.prefix) == ("user", "I")


def test_empty_messages_are_left_out(history: History) -> None:
    chat, path = talk(history, 2)
    empty = history.add_message(1, chat, path[-1].id, "assistant", " \n", state="stopped")
    fitted = fit(Prompts(history), Reader(), (*path, empty))
    assert len(fitted.prompt.messages) == 2 and fitted.plan.dropped == 0


def test_an_empty_dialogue_fits(history: History) -> None:
    fitted = fit(Prompts(history), Reader(greets=True), (), prefix="Once")
    assert fitted.first is None and fitted.plan.dropped == 0
    assert fitted.plan.used == len(Reader(greets=True).encode(fitted.prompt).tokens)


def test_a_message_too_long_is_refused_with_both_numbers(history: History) -> None:
    _, path = talk(history, 10)
    draft = Node(0, path[-1].id, "user", "word " * 3000)
    with pytest.raises(PromptTooLong) as refused:
        fit(Prompts(history), Reader(window=1024), (*path, draft))
    assert refused.value.details["window"] == 1024
    assert int(str(refused.value.details["tokens"])) > 3000


def test_a_system_message_too_long_is_refused(history: History) -> None:
    _, path = talk(history, 3)
    with pytest.raises(WindowTooSmall) as refused:
        fit(Prompts(history), Reader(window=512), path, system="word " * 500)
    assert refused.value.details["window"] == 512


def test_the_limit_of_the_reply_is_kept_free(history: History) -> None:
    _, path = talk(history, 100)
    plans = [fit(Prompts(history), Reader(window=1024), path, max_tokens=limit).plan for limit in (64, 256, 5000)]
    assert [planned.reserve for planned in plans] == [64, 256, 512]
    assert all(planned.used + planned.reserve <= 1024 for planned in plans)


class Uneven(Reader):
    """A template that says more before a dialogue of many messages than before the sample."""

    def encode(self, prompt: Prompt) -> Encoded:
        encoded = super().encode(prompt)
        assert isinstance(prompt, ChatPrompt)
        extra = self.tokenize(" extra" * 9) if len(prompt.messages) > 5 else ()
        return Encoded(extra + encoded.tokens, tuple(len(extra) + end for end in encoded.ends))


def test_a_template_that_says_more_is_still_counted_exactly(history: History) -> None:
    backend, prompts = Uneven(window=512), Prompts(history)
    _, path = talk(history, 200)
    for count in range(40, 200):
        fitted = fit(prompts, backend, path[:count])
        assert fitted.plan.used == len(backend.encode(fitted.prompt).tokens)
        assert fitted.plan.used + fitted.plan.reserve <= 512


class Joining(Reader):
    """A template in which a reply costs two tokens more where another reply follows, as no dialogue has it."""

    def encode(self, prompt: Prompt) -> Encoded:
        encoded = super().encode(prompt)
        assert isinstance(prompt, ChatPrompt)
        if prompt.messages[-1].role != prompt.speaker:
            return encoded
        return Encoded(encoded.tokens + encoded.tokens[:2], (*encoded.ends[:-1], encoded.ends[-1] + 2))


def test_an_unusual_end_spoils_no_cost(history: History) -> None:
    backend, prompts = Joining(window=512), Prompts(history)
    _, path = talk(history, 60)
    for count in range(1, 60):
        fitted = fit(prompts, backend, path[:count])
        assert fitted.plan.used == len(backend.encode(fitted.prompt).tokens)


class Refusing(Reader):
    """A template that wants a system message."""

    def encode(self, prompt: Prompt) -> Encoded:
        assert isinstance(prompt, ChatPrompt)
        if prompt.messages[0].role != "system":
            raise TemplateFailed(reason="no system message")
        return super().encode(prompt)


def test_a_template_that_refuses_says_so(history: History) -> None:
    _, path = talk(history, 3)
    with pytest.raises(TemplateFailed):
        fit(Prompts(history), Refusing(), path)
