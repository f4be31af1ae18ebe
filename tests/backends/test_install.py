"""Which engine wheel fits a machine, asked of a real index over HTTP; and what a build takes."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from backends.llamacpp import install

PYTHON = Path(sys.executable)
PAGE = '<a href="https://host/v0.3.36/llama_cpp_python-0.3.36-py3-none-manylinux_2_17_x86_64.whl">wheel</a>'

TILES = """
struct alignas(64) Config { unsigned char palette = 0, rest[47] = {}, rows[16] = {}; };
void configure() { Config config; config.palette = 1; config.rows[0] = 77; _tile_loadconfig(&config); }
"""


class Index(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        known = self.path == "/whl/cpu/llama-cpp-python/"
        self.send_response(200 if known else 404)
        self.end_headers()
        self.wfile.write(PAGE.encode() if known else b"")

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def index() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Index)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/whl"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.parametrize(
    ("tag", "version", "answer"), [("cpu", "0.3.36", True), ("cpu", "0.3.3", False), ("cu999", "0.3.36", False)]
)
def test_an_index_is_asked_for_the_version(index: str, tag: str, version: str, answer: bool) -> None:
    assert install.offers(PYTHON, f"{index}/{tag}", version, 20) is answer


def test_a_refused_connection_is_unreachable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    assert install.offers(PYTHON, f"http://127.0.0.1:{port}/whl/cpu", "0.3.36", 20) is None


def test_a_silent_index_costs_no_more_than_it_may() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert install.offers(PYTHON, f"http://127.0.0.1:{silent.getsockname()[1]}/whl/cpu", "0.3.36", 0.5) is None


@pytest.mark.parametrize(
    ("report", "tags"),
    [
        ("| Driver Version: 550.54  CUDA Version: 12.4 |", ("cu124", "cu123", "cu122", "cu121")),
        ("CUDA Version: 13.0", ("cu130", "cu125", "cu124", "cu123", "cu122", "cu121")),
        ("CUDA Version: 11.8", ()),
        ("NVIDIA-SMI has failed", ()),
    ],
)
def test_cuda_tags_are_those_the_driver_runs(report: str, tags: tuple[str, ...]) -> None:
    assert install.cuda_tags(report) == tags


@pytest.mark.parametrize(
    ("system", "machine", "smi", "tags"),
    [
        ("linux", "x86_64", None, ("cpu",)),
        ("linux", "x86_64", "/usr/bin/nvidia-smi", ("cu121", "cpu")),
        ("darwin", "arm64", None, ("metal", "cpu")),
        ("darwin", "x86_64", None, ("cpu",)),
        ("win32", "AMD64", "C:/nvidia-smi.exe", ("cu121", "cpu")),
    ],
)
def test_tags_by_machine(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str, smi: str | None, tags: tuple[str, ...]
) -> None:
    monkeypatch.setattr(install.sys, "platform", system)
    monkeypatch.setattr(install.platform, "machine", lambda: machine)
    monkeypatch.setattr(install.shutil, "which", lambda _: smi)
    monkeypatch.setattr(install, "_output", lambda _: "CUDA Version: 12.1")
    assert install.wheel_tags() == tags


@pytest.mark.parametrize(
    ("system", "found", "output", "hint"),
    [
        ("linux", {"c++"}, "", ""),
        ("linux", {"clang++", "apt-get"}, "", ""),
        ("linux", {"apt-get"}, "", "sudo apt install build-essential python3-dev"),
        ("linux", {"dnf"}, "", "sudo dnf install gcc gcc-c++ make"),
        ("linux", set(), "", "gcc, g++, make"),
        ("darwin", {"c++"}, "", "xcode-select --install"),
        ("darwin", set(), "/Library/Developer/CommandLineTools", ""),
        ("win32", {"cl"}, "", ""),
    ],
)
def test_compiler_hints(monkeypatch: pytest.MonkeyPatch, system: str, found: set[str], output: str, hint: str) -> None:
    monkeypatch.setattr(install.sys, "platform", system)
    monkeypatch.setattr(install.shutil, "which", lambda name: name if name in found else None)
    monkeypatch.setattr(install, "_output", lambda _: output)
    assert install.compiler_hint({}) == hint


def test_windows_without_a_compiler_is_told_of_the_build_tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(install.sys, "platform", "win32")
    monkeypatch.setattr(install.shutil, "which", lambda _: None)
    programs = {"ProgramFiles(x86)": str(tmp_path)}
    assert "BuildTools" in install.compiler_hint(programs)
    finder = tmp_path / "Microsoft Visual Studio" / "Installer" / "vswhere.exe"
    finder.parent.mkdir(parents=True)
    finder.touch()
    monkeypatch.setattr(install, "_output", lambda _: "C:/VS")
    assert install.compiler_hint(programs) == ""


def test_a_build_uses_every_core_and_what_the_person_set() -> None:
    plain = install.build_environment({"PATH": "/bin"})
    assert plain["CMAKE_BUILD_PARALLEL_LEVEL"] == str(os.cpu_count()) and plain["PATH"] == "/bin"
    assert install.build_environment({"CMAKE_ARGS": "-DGGML_CUDA=on"})["CMAKE_ARGS"] == "-DGGML_CUDA=on"


@pytest.mark.parametrize(
    ("features", "mends"),
    [
        ("flags : fpu avx2 avx512f", ()),
        ("flags : avx2 avx512_fp16 amx_tile amx_int8", ("amx_tile", "avx512_fp16")),
        (None, ()),
    ],
)
def test_a_build_is_told_what_it_gets_wrong_on_this_processor(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, features: str | None, mends: tuple[str, ...]
) -> None:
    monkeypatch.setattr(install, "_CPUINFO", tmp_path / "cpuinfo")
    if features is not None:
        (tmp_path / "cpuinfo").write_text(features)
    assert install.mends() == mends
    built = install.build_environment({"CXXFLAGS": "-g"})
    assert ("-include" in built["CXXFLAGS"]) is ("amx_tile" in mends)
    assert built.get("CFLAGS", "") == ("-U__AVX512FP16__" if "avx512_fp16" in mends else "")
    assert built["CXXFLAGS"].startswith("-g")


@pytest.mark.skipif(not shutil.which("c++") or platform.machine() != "x86_64", reason="needs a compiler for x86-64")
def test_a_tile_configuration_is_written_whole(tmp_path: Path) -> None:
    (tmp_path / "of a name with spaces.cpp").write_text(TILES)
    (_, include) = install._MENDS["amx_tile"]
    flags = [*shlex.split(include), "-O3", "-march=sapphirerapids", "-S", "-o", "-"]
    output = install._output(["c++", *flags, str(tmp_path / "of a name with spaces.cpp")])
    assert "ldtilecfg" in output and "$77" in output


@pytest.mark.parametrize(("cores", "minutes"), [(None, 10), (2, 5), (8, 1), (64, 1)])
def test_build_minutes(monkeypatch: pytest.MonkeyPatch, cores: int | None, minutes: int) -> None:
    monkeypatch.setattr(install.os, "cpu_count", lambda: cores)
    assert install.build_minutes() == minutes


@pytest.mark.parametrize("packages", ["lib/python3.11/site-packages", "Lib/site-packages"])
def test_leftovers_are_removed(tmp_path: Path, packages: str) -> None:
    folder = tmp_path / packages
    for name in ("llama_cpp/lib", "llama_cpp_python-0.3.36.dist-info", "gradio"):
        (folder / name).mkdir(parents=True)
    install.remove(tmp_path)
    assert [entry.name for entry in folder.iterdir()] == ["gradio"]


@pytest.mark.model
def test_the_check_passes_where_the_engine_runs() -> None:
    assert install._output([sys.executable, "-c", install.CHECK])
    assert not install._output([sys.executable, "-c", install.CHECK.replace("llama_cpp", "no_such_module")])
