"""What the routes take, as JSON. Whatever is not named here is looked up in the table of knobs (see `fields`)."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from webui.api.errors import from_validation

MOST_CHOICES = 32
"""How many answers to one prompt may be asked for at once; each is a generation of its own."""
MOST_GENERATIONS = 128
"""How many in all, where there are several prompts."""

Count = Annotated[int, Field(ge=1, le=MOST_CHOICES)]
Token = Annotated[int, Field(ge=0, lt=2**31)]


class Body(BaseModel):
    """A body in JSON. Types are taken as they are written: no text counts as a number or as true."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    @property
    def more(self) -> dict[str, Any]:
        """What was sent beside the named fields; null is the same as nothing."""
        return {name: value for name, value in (self.model_extra or {}).items() if value is not None}


class ChatMessage(Body):
    """One message. `content` is text, or a list of parts that are all text."""

    role: str
    content: str | list[dict[str, Any]] | None = None


class StreamOptions(BaseModel):
    """`include_usage` asks for one more chunk with the usage; obfuscation is OpenAI's padding, and not done here."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class GenerationBody(Body):
    """What both kinds of completion take. `model` may be anything: the loaded model answers, and says its name."""

    model: str | None = None
    n: Count | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_completion_tokens: int | None = None

    @property
    def with_usage(self) -> bool:
        """Whether a stream ends with the usage."""
        return bool(self.stream_options and self.stream_options.include_usage)


class ChatBody(GenerationBody):
    """`POST /v1/chat/completions`."""

    messages: list[ChatMessage]


class CompletionBody(GenerationBody):
    """`POST /v1/completions`. Several prompts are answered side by side."""

    prompt: str | list[str] | list[Any]
    echo: bool | None = None


class TokenizeBody(Body):
    """`POST /v1/tokenize`: a plain text (`prompt` is vLLM's name for it, `content` llama-server's), or a dialogue."""

    model: str | None = None
    text: str | None = None
    prompt: str | None = None
    content: str | None = None
    messages: list[ChatMessage] | None = None


class DetokenizeBody(Body):
    """`POST /v1/detokenize`."""

    model: str | None = None
    tokens: list[Token]


_B = TypeVar("_B", bound=Body)


def read(kind: type[_B], sent: bytes) -> _B:
    """Read a body. Raises `InvalidBody`."""
    try:
        return kind.model_validate_json(sent)
    except ValidationError as error:
        raise from_validation(error) from None
