"""Where a model runs and in which numbers: chosen by what is there.

Tried on a processor only. CUDA, MPS, XPU, several GPUs and the 8- and 4-bit weights of bitsandbytes follow the
libraries' documentation and have not been run.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any, Literal, get_args

import psutil
import torch

from backends.errors import InvalidParameter
from backends.models.fit import fits, weights_bytes

Dtype = Literal["auto", "float32", "bfloat16", "float16", "int8", "int4"]
"""The numbers of the weights: `int8` and `int4` are quantised while loading, by bitsandbytes."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What a model may run on: the kind of device, how many there are, free bytes of the first and of the memory.

    `bfloat16`: whether the device computes with it.
    """

    kind: str
    number: int
    free: int
    memory: int
    bfloat16: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model goes: one device, or `spread` over all devices and the memory."""

    device: str
    dtype: str
    spread: bool = False


def find_machine(device: str = "auto") -> Machine:
    """Look at what is there; `device` is a kind of device, "auto" = the fastest one that is there.

    Raises `InvalidParameter` for a device that is not there.
    """
    memory = psutil.virtual_memory().available
    kinds = _kinds()
    kind = kinds[0] if device == "auto" else device
    if kind not in kinds:
        raise InvalidParameter(name="device", value=device, allowed=", ".join(("auto", *kinds)))
    match kind:
        case "cuda":
            return Machine("cuda", torch.cuda.device_count(), torch.cuda.mem_get_info(0)[0], memory, _computes("cuda"))
        case "xpu":
            free = torch.xpu.get_device_properties(0).total_memory
            return Machine("xpu", torch.xpu.device_count(), free, memory, _computes("xpu"))
        case "mps":
            return Machine("mps", 1, memory, memory, _computes("mps"))
    return Machine("cpu", 1, memory, memory, True)


def _kinds() -> list[str]:
    """Return the kinds of devices that are there, the fastest one first."""
    there = {
        "cuda": torch.cuda.is_available(),
        "xpu": hasattr(torch, "xpu") and torch.xpu.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    return [kind for kind, is_there in there.items() if is_there]


def choose_place(machine: Machine, wanted: str, stored: str, parameters: int) -> Place:
    """Return where a model of so many `parameters` goes, whose weights are `stored` as that dtype ("" = unknown).

    Raises `InvalidParameter` for a dtype that there is not, or not here.
    """
    check_dtype(wanted, machine.kind)
    dtype = wanted if wanted != "auto" else _auto(machine, stored, parameters)
    spread = machine.kind in ("cuda", "xpu") and not fits(weights_bytes(parameters, dtype), machine.free)
    return Place(machine.kind, dtype, spread and importlib.util.find_spec("accelerate") is not None)


def check_dtype(wanted: str, kind: str) -> None:
    """Raise `InvalidParameter` for a dtype that there is not, or not on this kind of device."""
    allowed = [name for name in get_args(Dtype) if not name.startswith("int") or _quantises(kind)]
    if wanted not in allowed:
        raise InvalidParameter(name="dtype", value=wanted, allowed=", ".join(allowed))


def _auto(machine: Machine, stored: str, parameters: int) -> str:
    """A processor is fastest in 32 bits, if they fit; a GPU in 16, and in those of the weights if it can."""
    if machine.kind == "cpu":
        return "float32" if fits(weights_bytes(parameters, "float32"), machine.free) else "bfloat16"
    if stored == "float16" or not machine.bfloat16:
        return "float16"
    return "bfloat16"


def _quantises(kind: str) -> bool:
    return kind in ("cuda", "xpu") and importlib.util.find_spec("bitsandbytes") is not None


def _computes(device: str) -> bool:
    try:
        torch.ones(2, dtype=torch.bfloat16, device=device).sum().item()
    except (RuntimeError, TypeError):
        return False
    return True


def free_cached(kind: str) -> None:
    """Give back to the system what the allocator of a GPU keeps for later."""
    module: Any = getattr(torch, kind, None)
    if kind != "cpu" and module is not None and hasattr(module, "empty_cache"):
        module.empty_cache()
