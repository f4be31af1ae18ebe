"""One step of the set-up: a program whose output goes to the log while the person sees that it is alive."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from webui.setup.words import SetupFailed, say

_UNREACHABLE = re.compile(
    "NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError|Network is unreachable"
)
_CULPRIT = re.compile(r"No matching distribution found for (\S+)|/simple/([\w.-]+)/")
_ACTIVITY = re.compile(
    r"\s*(?:(\[\d+/\d+\])|(?:Collecting|Downloading|Processing|Building wheel for) (?:.*/)?([^\s/]+)|(Installing) )"
)
_NOTHING_NEW_SECONDS = 15
"""How often a step shows that it lives where the output is not a terminal."""


def run(step: str, command: Sequence[str], log: Path, env: Mapping[str, str]) -> None:
    """Run a program to its end. Raises `SetupFailed` with the reason as the log tells it.

    It inherits what is open for inheritance, and that is the lock of the set-up (see `Place.held`).
    """
    started, lines = time.monotonic(), deque[str](maxlen=300)
    with subprocess.Popen(
        command, env=env, close_fds=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, encoding="utf-8", errors="replace", process_group=0 if os.name == "posix" else None,
    ) as process:  # fmt: skip
        reader = threading.Thread(target=_copy, args=(process.stdout, log, lines), daemon=True)
        reader.start()
        try:
            _watch(step, reader, lines, started)
        except BaseException:
            _end(process)
            raise
    if process.returncode:
        _show(f"  ✗ {step}", last=True)
        raise SetupFailed(f"{explain(step, list(lines))}\n{say('log', log=log)}")
    _show(f"  ✓ {step} ({clock(time.monotonic() - started)})", last=True)


def clock(seconds: float) -> str:
    """Return a length of time for reading: `4.2 s`, `3:05`."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}" if seconds >= 60 else f"{seconds:.1f} s"


def explain(step: str, lines: Sequence[str]) -> str:
    """Return what went wrong, from the last lines that a step printed."""
    text = "\n".join(lines)
    if _UNREACHABLE.search(text):
        names = [name for found in _CULPRIT.findall(text) for name in found if name]
        return say("offline", step=step, package=names[-1] if names else "?")
    if "No space left on device" in text:
        return say("full", step=step)
    errors = [line for line in lines if "error" in line.lower()] or [line for line in lines if line.strip()]
    return say("failed", step=step, reason=errors[-1].strip() if errors else "?")


def doing(lines: Sequence[str]) -> str:
    """Return what a step is at: the package being fetched, or the files built so far of how many."""
    found = next((match for match in map(_ACTIVITY.match, reversed(lines)) if match), None)
    return next(filter(None, found.groups()), "") if found else ""


def _end(process: subprocess.Popen[str]) -> None:
    """End a program with all that it has started: a build goes on for minutes otherwise."""
    if sys.platform == "win32":
        process.terminate()
    else:
        os.killpg(process.pid, signal.SIGTERM)


def _copy(pipe: Iterable[str], log: Path, lines: deque[str]) -> None:
    with log.open("a", encoding="utf-8") as file:
        for line in pipe:
            file.write(line)
            file.flush()
            lines.append(line.rstrip())


def _watch(step: str, reader: threading.Thread, lines: deque[str], started: float) -> None:
    pause = 0.2 if sys.stdout.isatty() else _NOTHING_NEW_SECONDS
    while reader.is_alive():
        reader.join(pause)
        if reader.is_alive():
            _show(f"  … {step}: {clock(time.monotonic() - started)}  {doing(list(lines))}")


def _show(text: str, last: bool = False) -> None:
    """Print a line, on a terminal one that the next overwrites."""
    if not sys.stdout.isatty():
        print(text, flush=True)
        return
    width = shutil.get_terminal_size().columns - 1
    print("\r" + text[:width].ljust(width), end="\n" if last else "", flush=True)
