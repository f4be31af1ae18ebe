"""A server whose model writes a text of a known length at a known pace; run in a process of its own.

`python -m tests.bench.scripted FOLDER TOKENS SPEED` serves until its input ends; the first line it prints is its
address. The pace is kept by the clock: a wait that took too long is made up for by the next.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from backends.scripted import Script, ScriptedBackend, ScriptedGeneration
from backends.values import Request
from tests.e2e.site import Site

_PARAGRAPH = (
    "Tea is made of **leaves** and of *hot* water, and whoever makes it in a `samovar` has a whole evening for it. "
    "Вода кипит, угли тлеют, а разговор идёт своим чередом до самой ночи."
)
_LIST = "1. Warm the pot, and pour the water away.\n2. One spoon for each guest, one for the pot.\n3. Wait."
_CODE = "```python\ndef brew(leaves: int, water: float) -> Tea:\n    return Tea(leaves, water, minutes=5)\n```"
_TABLE = "| tea | minutes |\n|---|---|\n| black | 5 |\n| green | 3 |"
WINDOW = 8192


class Paced(ScriptedBackend):
    """A scripted model that keeps its pace: token number n is not written before n ÷ speed seconds have passed."""

    def start(self, request: Request) -> ScriptedGeneration:
        generation = super().start(request)
        due = time.perf_counter()

        def wait(seconds: float) -> bool:
            nonlocal due
            due += seconds
            return plain(due - time.perf_counter() if due > time.perf_counter() else 0.0)

        plain, generation._wait = generation._wait, wait  # type: ignore[method-assign]
        return generation


def reply(tokens: int) -> str:
    """Return Markdown of exactly so many tokens of the scripted model: paragraphs, a list, code, a table."""
    backend = ScriptedBackend()
    blocks = (_PARAGRAPH, _PARAGRAPH, _LIST, _PARAGRAPH, _CODE, _PARAGRAPH, _TABLE)
    text = "\n\n".join(blocks)
    while len(pieces := backend.tokenize(text)) < tokens:
        text += "\n\n" + text
    return backend.detokenize(pieces[:tokens])


def model(tokens: int, speed: float) -> Paced:
    """Return the model that answers everything with `reply(tokens)`, at so many tokens a second."""
    return Paced(Script(replies=[reply(tokens)], delay=1 / speed, window=WINDOW))


@contextmanager
def serving(folder: Path, tokens: int, speed: float) -> Iterator[tuple[str, psutil.Process]]:
    """Start the server over a data folder; yield its address and its process."""
    command = [sys.executable, "-m", "tests.bench.scripted", str(folder), str(tokens), str(speed)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            yield process.stdout.readline().strip(), psutil.Process(process.pid)
        finally:
            process.stdin.close()
            process.wait(30)


def main(argv: list[str]) -> int:
    """Serve until the input ends."""
    site = Site(Path(argv[0]), backend=model(int(argv[1]), float(argv[2])))
    sys.stdout.write(site.url + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    site.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
