"""The engines at home have every lever and keep to every shape, as the table in the README says."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from backends.constraints import SHAPES
from backends.registry import BackendOptions, open_backend
from backends.sampling import knobs

pytestmark = pytest.mark.model


@pytest.mark.parametrize(("name", "package"), [("llamacpp", "llama_cpp"), ("transformers", "torch")])
def test_it_can_do_everything(starter_model: Path, name: str, package: str) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip("the engine is not installed")
    backend = open_backend(str(starter_model), BackendOptions(backend=name, ctx=256, threads=1, gpu_layers=0))
    able = backend.capabilities
    backend.close()
    assert able.knobs == frozenset(knobs())
    assert able.constraints == frozenset(SHAPES)
    assert able.continuation and able.impersonation and able.exact_counts
    assert able.reasons == {}
