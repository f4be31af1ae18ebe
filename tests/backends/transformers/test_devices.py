"""Where a model goes, for machines that are only described."""

from __future__ import annotations

import dataclasses

import pytest

pytest.importorskip("torch")

from backends.errors import InvalidParameter
from backends.transformers import devices
from backends.transformers.devices import Machine, Place, choose_place, find_machine

GIB = 1 << 30
HOME = Machine("cpu", 1, 16 * GIB, 16 * GIB, bfloat16=True)
CUDA = Machine("cuda", 1, 24 * GIB, 64 * GIB, bfloat16=True)


@pytest.mark.parametrize(
    ("machine", "stored", "billions", "expected"),
    [
        (HOME, "bfloat16", 0.5, Place("cpu", "float32")),
        (HOME, "bfloat16", 7, Place("cpu", "bfloat16")),
        (CUDA, "bfloat16", 7, Place("cuda", "bfloat16")),
        (CUDA, "float16", 7, Place("cuda", "float16")),
        (CUDA, "float32", 7, Place("cuda", "bfloat16")),
        (CUDA, "", 7, Place("cuda", "bfloat16")),
        (CUDA, "bfloat16", 30, Place("cuda", "bfloat16", spread=True)),
        (dataclasses.replace(CUDA, bfloat16=False), "bfloat16", 7, Place("cuda", "float16")),
        (Machine("mps", 1, 16 * GIB, 16 * GIB, bfloat16=True), "bfloat16", 30, Place("mps", "bfloat16")),
    ],
)
def test_the_place_fits_machine_and_model(machine: Machine, stored: str, billions: float, expected: Place) -> None:
    pytest.importorskip("accelerate")
    assert choose_place(machine, "auto", stored, int(billions * 1e9)) == expected


def test_without_accelerate_nothing_is_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices.importlib.util, "find_spec", lambda _name: None)
    assert not choose_place(CUDA, "auto", "bfloat16", 30 * 10**9).spread


def test_what_is_asked_for_is_taken() -> None:
    assert choose_place(HOME, "bfloat16", "float32", 10**6).dtype == "bfloat16"


@pytest.mark.parametrize("wanted", ["int4", "int8", "float8", "", "torch.float32"])
def test_a_dtype_that_is_not_here_is_refused_with_what_is(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    monkeypatch.setattr(devices.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(InvalidParameter) as caught:
        choose_place(CUDA, wanted, "bfloat16", 10**9)
    assert caught.value.details["allowed"] == "auto, float32, bfloat16, float16"


def test_few_bits_need_a_gpu_and_bitsandbytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices.importlib.util, "find_spec", lambda _name: object())
    assert choose_place(CUDA, "int4", "bfloat16", 30 * 10**9) == Place("cuda", "int4")
    with pytest.raises(InvalidParameter):
        choose_place(HOME, "int4", "bfloat16", 10**9)


def test_this_machine_has_a_processor() -> None:
    machine = find_machine("cpu")
    assert machine.kind == "cpu" and machine.free == machine.memory > 0
    devices.free_cached("cpu")


def test_a_device_that_is_not_here_is_refused_with_what_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_kinds", lambda: ["cpu"])
    assert find_machine().kind == "cpu"
    with pytest.raises(InvalidParameter) as caught:
        find_machine("cuda")
    assert caught.value.details == {"name": "device", "value": "cuda", "allowed": "auto, cpu"}
