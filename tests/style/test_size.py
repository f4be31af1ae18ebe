"""A file is one noun, a function one thought: both have an upper bound."""

from __future__ import annotations

import ast

from tests.style.source import ROOT, product_files, tree_of

FILE_LINES = 350
FUNCTION_LINES = 50


def test_files_are_short() -> None:
    sizes = {path: path.read_text(encoding="utf-8").count("\n") for path in product_files(".py", ".js", ".css")}
    long = [f"{path.relative_to(ROOT)}: {size} lines" for path, size in sizes.items() if size > FILE_LINES]
    assert sizes
    assert not long, "\n".join(long)


def long_functions(tree: ast.Module) -> list[str]:
    """Return the functions, methods and nested functions that are longer than the bound."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    sizes = [(node, (node.end_lineno or node.lineno) - node.lineno + 1) for node in found]
    return [f"{node.lineno} {node.name}: {size} lines" for node, size in sizes if size > FUNCTION_LINES]


def test_functions_are_short() -> None:
    long = [f"{p.relative_to(ROOT)}:{line}" for p in product_files(".py") for line in long_functions(tree_of(p))]
    assert not long, "\n".join(long)


def test_a_long_function_is_found() -> None:
    assert long_functions(ast.parse("class A:\n    async def f(self):\n" + "        pass\n" * FUNCTION_LINES))
    assert not long_functions(ast.parse("def f():\n" + "    pass\n" * (FUNCTION_LINES - 1)))
