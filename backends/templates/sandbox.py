"""Jinja as the makers of chat templates expect it, in a sandbox: what a model file brings along is not trusted.

The helpers are those of Hugging Face's `apply_chat_template`, for which the templates in GGUF headers are written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn

from jinja2 import nodes, pass_context
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.ext import Extension, LoopControlExtension
from jinja2.parser import Parser
from jinja2.runtime import Context, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from backends.errors import TemplateFailed

_SIZE = 1 << 20
"""Characters that a template may write of its own, beside four times the messages and `_SIZE_EACH` for each."""
_SIZE_EACH = 1000
_STEPS, _STEPS_EACH = 200_000, 1000
"""Rounds of loops and calls of macros: in all, and more for each message."""
_NUMBER = 1_000_000
"""The largest number that may be given to a function: no template needs more, and `range` or `ljust` would obey."""
_BUDGET, _STEP = "@budget", "@step"  # no identifiers, so no template can use or shadow them


class Refusal(Exception):
    """The template does not take this dialogue; it may take it in another form. `str(refusal)` is the reason."""


class Program:
    """A compiled template. `run` may be called from any thread."""

    def __init__(self, source: str) -> None:
        """Compile. A broken template is reported by every `run`, so that a model without chat can still be opened."""
        self._broken = ""
        environment = _Sandbox(
            trim_blocks=True, lstrip_blocks=True, extensions=[LoopControlExtension, _GenerationExtension]
        )
        environment.filters.update({"tojson": _to_json, _STEP: _step})
        environment.globals.update(raise_exception=_refuse)
        try:
            self._template = environment.from_string(source)
        # A template can break Python's own compiler too: by nesting, by size.
        except Exception as error:
            self._broken = f"it cannot be compiled: {error}"

    def run(self, messages: Sequence[Mapping[str, object]], size: int, variables: Mapping[str, object]) -> str:
        """Return the text for `messages`, whose contents have `size` characters in all.

        Raises `Refusal`, or `TemplateFailed` when it is of no use to try another form of the dialogue.
        """
        if self._broken:
            raise TemplateFailed(reason=self._broken)
        count = len(messages)
        budget = _Budget(_STEPS + _STEPS_EACH * count, _SIZE + _SIZE_EACH * count + 4 * size)
        given = {**variables, "messages": list(messages), "tools": None, "documents": None, _BUDGET: budget}
        pieces = []
        try:
            for piece in self._template.generate(given):
                budget.write(len(piece))
                pieces.append(piece)
        except (Refusal, TemplateFailed):
            raise
        except SecurityError as error:
            raise TemplateFailed(reason=f"it tries what a template may not: {error}") from error
        except (RecursionError, MemoryError, OverflowError) as error:
            raise TemplateFailed(reason=f"it takes too much: {error}") from error
        except TemplateError as error:
            raise Refusal(error.message or type(error).__name__) from error
        except Exception as error:
            raise Refusal(f"{type(error).__name__}: {error}") from error
        return "".join(pieces)


def clock(now: datetime) -> Mapping[str, object]:
    """Return the variables of time, as of `now`: `strftime_now`."""
    return {"strftime_now": now.strftime}


class _Budget:
    """What one run may still do."""

    def __init__(self, steps: int, size: int) -> None:
        self._steps, self._size = steps, size

    def step(self) -> None:
        self._steps -= 1
        if self._steps < 0:
            raise TemplateFailed(reason="it does not come to an end")

    def write(self, size: int) -> None:
        self._size -= size
        if self._size < 0:
            raise TemplateFailed(reason="it writes without end")


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, which also counts the rounds of loops and bounds what one operation can make."""

    intercepted_binops = frozenset(["*", "**"])

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        found: Iterator[Any] = tree.find_all((nodes.For, nodes.Macro, nodes.CallBlock))
        for node in found:
            # A filter, as the code made of it is a plain call.
            step = nodes.Filter(nodes.Const(None), _STEP, [], [], None, None)
            node.body.insert(0, nodes.ExprStmt(step).set_lineno(node.lineno).set_environment(self))
        return tree

    def call(self, context: Context, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a function of the template, unless with a monstrous number."""
        if any(isinstance(value, int) and value > _NUMBER for value in (*args, *kwargs.values())):
            raise SecurityError("too large a number")
        return super().call(context, function, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Multiply numbers; repeat a text or a list a little; raise to a small power."""
        sizes = [value if isinstance(value, int | float) else len(value) for value in (left, right)]
        if operator == "**" and (abs(sizes[0]) > _NUMBER or abs(sizes[1]) > 64):
            raise SecurityError("too large a power")
        if operator == "*" and abs(sizes[0] * sizes[1]) > _NUMBER * 1000:
            raise SecurityError("too large a product")
        return super().call_binop(context, operator, left, right)

    def unsafe_undefined(self, obj: Any, attribute: str) -> Undefined:
        """Refuse at once; Jinja would write nothing for it and go on."""
        raise SecurityError(f"{attribute} of {type(obj).__name__}")


class _GenerationExtension(Extension):
    """`{% generation %}…{% endgeneration %}`, by which trainers mark what the model wrote: here it does nothing."""

    tags = frozenset(["generation"])  # type: ignore[assignment]

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """Return what is inside."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


@pass_context
def _step(context: Context, _value: None) -> None:
    context[_BUDGET].step()


def _refuse(message: object) -> NoReturn:
    raise Refusal(str(message))


def _to_json(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Jinja's own filter escapes HTML, which no model was trained on."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
