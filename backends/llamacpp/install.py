"""How llama-cpp-python comes onto a machine: which ready-made wheel may fit it, and what building one takes.

Standard library only: it runs before anything is installed. The project publishes wheels in one index for each kind of
accelerator, `…/whl/<tag>/llama-cpp-python/`; on PyPI there is only the source.
"""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PACKAGE = "llama-cpp-python"
INDEX = "https://abetlen.github.io/llama-cpp-python/whl"
CHECK = "import llama_cpp; llama_cpp.llama_backend_init(); print(llama_cpp.llama_print_system_info().decode())"
"""A program that ends well where the engine runs: a wheel made for another machine may install and then not load,
or stop at an instruction that the processor does not have."""

_MENDS: Mapping[str, tuple[str, str]] = {
    "amx_tile": ("CXXFLAGS", f"-include {shlex.quote(str(Path(__file__).with_name('tile_config.h')))}"),
    # Sums in half precision lose digits, and attention over heads of 64 is then computed one number at a time.
    "avx512_fp16": ("CFLAGS CXXFLAGS", "-U__AVX512FP16__"),
}
"""What a build must be told on a processor with such a feature: the variables, and the compiler's flag."""
_CUDA_TAGS = ("cu132", "cu130", "cu125", "cu124", "cu123", "cu122", "cu121")
# Run by the environment's own Python: its certifi knows the authorities where a fresh Python on macOS knows none,
# and a process can be ended in time even while it waits for a name server.
_PROBE = """
import ssl, sys, urllib.request, certifi
context = ssl.create_default_context()
context.load_verify_locations(certifi.where())
with urllib.request.urlopen(sys.argv[1], timeout=float(sys.argv[2]), context=context) as page:
    sys.stdout.write(page.read().decode())
"""
_CPUINFO = Path("/proc/cpuinfo")
_CORE_MINUTES = 10
_PACKAGE_MANAGERS = (
    ("apt-get", "sudo apt install build-essential python3-dev"),
    ("dnf", "sudo dnf install gcc gcc-c++ make"),
    ("pacman", "sudo pacman -S base-devel"),
    ("zypper", "sudo zypper install gcc-c++ make"),
    ("apk", "sudo apk add build-base linux-headers"),
)
_VISUAL_STUDIO = (
    "winget install Microsoft.VisualStudio.2022.BuildTools --override "
    '"--passive --add Microsoft.VisualStudio.Workload.VCTools --includeRecommended"'
)


def wheel_tags() -> tuple[str, ...]:
    """Return the indexes to try, the fastest engine first."""
    if sys.platform == "darwin":
        return ("metal", "cpu") if platform.machine() == "arm64" else ("cpu",)
    if shutil.which("nvidia-smi"):
        return (*cuda_tags(_output(["nvidia-smi"])), "cpu")
    return ("cpu",)


def cuda_tags(report: str) -> tuple[str, ...]:
    """Return the tags that a driver can run, the newest first, by what `nvidia-smi` reports."""
    found = re.search(r"CUDA Version:\s*(\d+)\.(\d+)", report)
    if not found:
        return ()
    newest = int(found[1]), int(found[2])
    return tuple(tag for tag in _CUDA_TAGS if (int(tag[2:4]), int(tag[4:])) <= newest)


def index_url(tag: str) -> str:
    """Return the address of the index of one accelerator."""
    return f"{INDEX}/{tag}"


def offers(python: Path, index: str, version: str, seconds: float) -> bool | None:
    """Ask whether an index has wheels of this version; None when it cannot be reached within `seconds`.

    An index that answers with an error (there is none for this tag) counts as having none.
    """
    command = [str(python), "-c", _PROBE, f"{index}/{PACKAGE}/", str(seconds)]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return None
    if answer.returncode:
        return False if "HTTPError" in answer.stderr else None
    return f"llama_cpp_python-{version}-" in answer.stdout


def compiler_hint(environ: Mapping[str, str]) -> str:
    """Return the command that installs a C++ compiler here, or nothing where there is one."""
    if sys.platform == "darwin":
        return "" if _output(["xcode-select", "-p"]) else "xcode-select --install"
    if environ.get("CXX") or any(shutil.which(name) for name in ("c++", "g++", "clang++", "cl")):
        return ""
    if sys.platform == "win32":
        return "" if _visual_studio(environ) else _VISUAL_STUDIO
    return next((hint for name, hint in _PACKAGE_MANAGERS if shutil.which(name)), "gcc, g++, make")


def mends() -> tuple[str, ...]:
    """Return the features of this processor that a build must be told of, for it is made for this very processor."""
    try:
        features = set(_CPUINFO.read_text(encoding="utf-8").split())
    except OSError:  # not a Linux
        return ()
    return tuple(feature for feature in _MENDS if feature in features)


def build_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a build: every core at work, and without the vision library, a quarter of the files.

    What the person has set for CMake and the compilers stays.
    """
    defaults = {"CMAKE_ARGS": "-DLLAVA_BUILD=OFF", "CMAKE_BUILD_PARALLEL_LEVEL": str(os.cpu_count() or 1)}
    found = {**defaults, **environ}
    for names, flag in map(_MENDS.__getitem__, mends()):
        for name in names.split():
            found[name] = f"{found.get(name, '')} {flag}".strip()
    return found


def build_minutes() -> int:
    """Return about how long a build takes here, by the number of cores."""
    return max(1, round(_CORE_MINUTES / (os.cpu_count() or 1)))


def remove(environment: Path) -> None:
    """Remove what a broken installation left in a virtual environment, where pip itself may not know it."""
    for packages in (*environment.glob("lib/python*/site-packages"), environment / "Lib" / "site-packages"):
        for leftover in packages.glob("llama_cpp*"):
            shutil.rmtree(leftover, ignore_errors=True)


def _visual_studio(environ: Mapping[str, str]) -> bool:
    finder = Path(environ.get("ProgramFiles(x86)", "")) / "Microsoft Visual Studio" / "Installer" / "vswhere.exe"
    tools = "Microsoft.VisualStudio.Component.VC.Tools.x86.x64"
    return finder.exists() and bool(
        _output([str(finder), "-products", "*", "-requires", tools, "-property", "installationPath"])
    )


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
