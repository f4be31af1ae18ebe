"""Writes the parts of the README that the code knows best: flags, levers, what each engine can do, the tree of files.

`python -m tests.style.readme_blocks` rewrites them in place; a test fails while they differ from the code.
"""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import get_args

from backends.constraints import SHAPES
from backends.remote import engines as kinds
from backends.sampling import Group, Knob, SamplingParams, knobs
from backends.values import MAX_ALTERNATIVES
from tests.style.source import ROOT, product_files, tree_of
from webui.flags import Option, flag
from webui.settings import Settings, options
from webui.ui import i18n

README = ROOT / "README.md"
BLOCK = re.compile(r"(<!-- begin: (\w+) -->\n).*?(<!-- end: \2 -->)", re.DOTALL)
_COMMENT = re.compile(r"^(?://|/\*) (.+?)(?: \*/)?$", re.MULTILINE)
_LONG = 1e6
LOCAL = ("llama.cpp", "transformers")
"""The engines that have everything; `tests/backends/test_local_engines.py` sees to it."""
REMOTE = (
    kinds.VLLM_ENGINE, kinds.SGLANG_SEEDED_ENGINE, kinds.LLAMA_SERVER_ENGINE, kinds.OLLAMA_ENGINE,
    kinds.LM_STUDIO_ENGINE, kinds.SAMOVAR_ENGINE, kinds.OPENAI_ENGINE,
)  # fmt: skip


def flags() -> str:
    """Return the table of the flags of `serve`."""
    defaults = {field.name: field.default for field in dataclasses.fields(Settings)}
    rows = [
        (f"`{_usage(name, option)}`", _default(option, defaults[name]), option.help[0])
        for name, option in options().items()
    ]
    return _table(("Flag", "Default", "What it does"), rows)


def levers() -> str:
    """Return the tables of the levers, one for each group."""
    parts = []
    for group in get_args(Group):
        rows = [
            (
                f"`{name}`",
                f"**{i18n.knob(name, 'en').label}.** {i18n.knob(name, 'en').help}",
                _range(knob),
                _neutral(name),
            )
            for name, knob in knobs().items()
            if knob.group == group
        ]
        parts.append(f"#### {i18n.group(group, 'en')}\n\n" + _table(("Name", "What it does", "Range", "Neutral"), rows))
    return "\n\n".join(parts)


def engines() -> str:
    """Return the table of what each engine can do: its levers, the shapes of replies, what it tells of its choices."""
    columns = {name: (frozenset(knobs()), frozenset(SHAPES)) for name in LOCAL}
    columns |= {kind.name: (kind.knobs, frozenset(kind.shaping.told)) for kind in REMOTE}
    rows = [
        (f"`{name}`", *(_mark(name in levers) for levers, _ in columns.values()))
        for name in knobs()
    ]  # fmt: skip
    rows += [
        (f"shape: {shape}", *(_mark(shape in shapes) for _, shapes in columns.values()))
        for shape in SHAPES
    ]  # fmt: skip
    told = dict.fromkeys(LOCAL, MAX_ALTERNATIVES) | {kind.name: kind.alternatives for kind in REMOTE}
    rows.append(("alternatives of each token", *(str(told[name] or "–") for name in columns)))
    return _table(("", *columns), rows)


def tree() -> str:
    """Return the files of the product as a nested list, each with the first line that it says of itself."""
    return "\n".join(_branch(ROOT, sorted(product_files(".py", ".js", ".css"))))


BLOCKS: Mapping[str, Callable[[], str]] = {"flags": flags, "levers": levers, "engines": engines, "tree": tree}


def filled(text: str) -> str:
    """Return the README with its blocks as the code has them now."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{BLOCKS[found[2]]()}\n\n{found[3]}", text)


def phrase(path: Path) -> str:
    """Return what a file says of itself in its first line; "" if it says nothing."""
    if path.suffix == ".py":
        said = ast.get_docstring(tree_of(path)) or ""
    else:
        found = _COMMENT.match(path.read_text(encoding="utf-8"))
        said = found[1] if found else ""
    return said.partition("\n")[0]


def _branch(folder: Path, files: list[Path], depth: int = 0) -> Iterator[str]:
    """Yield the lines of a folder: its files, then the folders in it."""
    margin = "  " * depth
    for path in files:
        says = phrase(path)
        if path.parent == folder and path.name != "__init__.py" and (says or path.suffix == ".py"):
            yield f"{margin}- `{path.name}`: {_escaped(says)}"
    for inner in sorted({path.relative_to(folder).parts[0] for path in files if path.parent != folder}):
        below = [path for path in files if path.is_relative_to(folder / inner)]
        says = phrase(start) if (start := folder / inner / "__init__.py").exists() else ""
        yield f"{margin}- **`{inner}/`**" + (f": {_escaped(says)}" if says else "")
        yield from _branch(folder / inner, below, depth + 1)


def _mark(able: bool) -> str:
    return "✓" if able else "–"


def _usage(name: str, option: Option) -> str:
    return f"{flag(name)} {option.metavar}".strip()


def _default(option: Option, value: object) -> str:
    return f"`{value}`" if option.kind in ("int", "host") else "off" if option.kind == "switch" else ""


def _range(knob: Knob) -> str:
    match knob.kind:
        case "float" | "int":
            return f"{knob.minimum:g} … {knob.maximum:g}" if knob.maximum < _LONG else f"{knob.minimum:g} and more"
        case "choice":
            return ", ".join(map(str, knob.choices))
        case "texts":
            return "texts"
        case "ints":
            return "token ids"
        case "bias":
            return f"token id: {knob.minimum:g} … {knob.maximum:g}"
        case "order":
            return "steps"


def _neutral(name: str) -> str:
    value = getattr(SamplingParams(), name)
    if not isinstance(value, tuple):
        return f"`{value:g}`"
    return " ".join(f"`{str(item).encode('unicode_escape').decode()}`" for item in value) or "none"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *(tuple(cell.replace("|", "\\|") for cell in row) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _escaped(text: str) -> str:
    """Return a phrase as Markdown that shows it literally; what stands between backquotes does so anyway."""
    return "".join(
        part if part.startswith("`") else re.sub(r"([*_<\\\[])", r"\\\1", part) for part in re.split(r"(`[^`]*`)", text)
    )


if __name__ == "__main__":
    README.write_text(filled(README.read_text(encoding="utf-8")), encoding="utf-8")
