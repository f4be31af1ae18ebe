"""Imports run down only, and heavy libraries stay where they belong."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tests.style.source import ROOT, imports_of, name_of, product_files, tree_of, within

# From the bottom up; of the packages that a module lies in, the innermost that is named here decides.
LAYERS = (
    ("backends",),
    ("webui.history", "webui.dialogue", "webui.errors", "webui.flags", "webui.settings", "webui.surroundings"),
    ("webui",),
    ("webui.ui", "webui.api"),
    ("webui.server", "webui.__main__"),
    ("launch",),
)
# What only the named modules may import.
KEPT = {
    "gradio": ("webui.ui", "webui.server"),
    "sqlmodel": ("webui.history",),
    "sqlalchemy": ("webui.history",),
    "fastapi": ("webui",),
    "starlette": ("webui",),
    "uvicorn": ("webui.server", "webui.__main__"),
    "llama_cpp": ("backends.llamacpp",),
    "llguidance": ("backends.guiding",),
    "torch": ("backends.transformers",),
    "transformers": ("backends.transformers",),
}


def layer_of(module: str) -> int:
    """Return the number of a module's layer, or -1 for one that is not ours."""
    named = [
        (len(package), number) for number, layer in enumerate(LAYERS) for package in layer if within(module, package)
    ]
    return max(named)[1] if named else -1


def upward(importer: str, tree: ast.Module) -> list[str]:
    """Return the imports of a module that lead to a layer above its own."""
    mine = layer_of(importer)
    return [f"{importer}:{line} imports {module}" for module, line in imports_of(tree) if layer_of(module) > mine]


def strayed(importer: str, tree: ast.Module) -> list[str]:
    """Return the imports of libraries that are kept to other modules."""
    return [
        f"{importer}:{line} imports {module}"
        for module, line in imports_of(tree)
        for library, homes in KEPT.items()
        if within(module, library) and not within(importer, *homes)
    ]


def test_nothing_imports_upward() -> None:
    found = [line for path in product_files(".py") for line in upward(name_of(path), tree_of(path))]
    assert not found, "\n".join(found)


def test_heavy_libraries_stay_at_home() -> None:
    found = [line for path in product_files(".py") for line in strayed(name_of(path), tree_of(path))]
    assert not found, "\n".join(found)


def test_the_product_does_not_know_its_tests() -> None:
    found = [
        name_of(p) for p in product_files(".py") for module, _ in imports_of(tree_of(p)) if within(module, "tests")
    ]
    assert not found


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("backends.base", "import webui.chats"),
        ("backends.base", "def f():\n    from webui import chats"),
        ("webui.history.store", "from webui import jobs"),
        ("webui.chats", "from webui.ui.page import build"),
        ("webui.ui.page", "from webui import server"),
        ("webui.server", "import launch"),
    ],
)
def test_an_upward_import_is_found(importer: str, source: str) -> None:
    assert upward(importer, ast.parse(source))


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("webui.chats", "import gradio as gr"),
        ("backends.values", "from sqlmodel import Field"),
        ("webui.ui.page", "import torch"),
    ],
)
def test_a_strayed_library_is_found(importer: str, source: str) -> None:
    assert strayed(importer, ast.parse(source))


def test_downward_imports_are_free() -> None:
    assert not upward(
        "webui.server", ast.parse("from webui.ui import page\nfrom webui import chats\nimport backends.base")
    )
    assert not strayed("webui.ui.page", ast.parse("import gradio"))


def test_the_launcher_needs_nothing_installed() -> None:
    """`-S` leaves site-packages out, `-I` the surroundings: only the standard library and our own files remain."""
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import launch; print(launch.say('stopped'))"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout, done.stderr
