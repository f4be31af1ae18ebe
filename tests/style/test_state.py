"""No module holds mutable state: what lives long is made once in `webui.services` and passed down."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.style.source import ROOT, product_files, tree_of

_MUTABLE_DISPLAYS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
_MUTABLE_CALLS = frozenset((
    "list", "dict", "set", "bytearray", "defaultdict", "deque", "Counter", "OrderedDict", "ChainMap",
    "WeakValueDictionary", "WeakKeyDictionary", "Queue", "SimpleQueue", "LifoQueue", "PriorityQueue",
    "Lock", "RLock", "Condition", "Event", "Semaphore", "Thread", "ThreadPoolExecutor",
))  # fmt: skip


def mutable_state(tree: ast.Module) -> Iterator[str]:
    """Yield what a module holds that could change: values made at its top, and every `global`.

    A dictionary that is declared as a `Mapping` is a constant to the type checker, and so allowed; so is `__all__`.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            yield f"{node.lineno}: global {', '.join(node.names)}"
    for statement in tree.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            names = [ast.unparse(target) for target in _targets(statement)]
            if names != ["__all__"] and _is_mutable(statement.value) and not _is_mapping(statement):
                yield f"{statement.lineno}: {', '.join(names)} is mutable"


def _targets(statement: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    return statement.targets if isinstance(statement, ast.Assign) else [statement.target]


def _is_mutable(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        function = value.func.value if isinstance(value.func, ast.Subscript) else value.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        return name in _MUTABLE_CALLS
    return isinstance(value, _MUTABLE_DISPLAYS)


def _is_mapping(statement: ast.Assign | ast.AnnAssign) -> bool:
    return isinstance(statement, ast.AnnAssign) and ast.unparse(statement.annotation).startswith("Mapping[")


def test_no_module_holds_mutable_state() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}" for path in product_files(".py") for line in mutable_state(tree_of(path))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        "cache = {}",
        "NAMES = ['a']",
        "sessions: dict[str, int] = {}",
        "import threading\nlock = threading.Lock()",
        "from collections import deque\nlast = deque[str](maxlen=3)",
        "count = 0\ndef f():\n    global count\n    count += 1",
    ],
)
def test_mutable_state_is_found(source: str) -> None:
    assert list(mutable_state(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        "NAMES = ('a', 'b')",
        "WORDS: Mapping[str, int] = {'a': 1}",
        "__all__ = ['f']",
        "FEW = frozenset({1})",
        "def f():\n    x = []",
    ],
)
def test_constants_are_free(source: str) -> None:
    assert not list(mutable_state(ast.parse(source)))
