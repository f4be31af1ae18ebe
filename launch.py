#!/usr/bin/env python3
"""Samovar's one door: sets itself up in `.venv` beside this file, then serves, tests or measures.

Standard library only. The syntax stays readable for old Pythons, so that they reach the sentence below.
"""

import sys

if sys.version_info < (3, 11):
    sys.exit(
        "Samovar needs Python 3.11 or newer, and this is {0}.{1}.\n"
        "Самовару нужен Python 3.11 или новее, а это {0}.{1}.".format(*sys.version_info[:2])
    )

import contextlib
import io
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from webui.flags import BadSetting
from webui.settings import Settings, flags_help
from webui.setup import steps
from webui.setup.place import Place
from webui.setup.words import SetupFailed, say
from webui.surroundings import language

ROOT = Path(__file__).resolve().parent


def main(argv: Sequence[str]) -> int:
    """Run a command and return its exit code."""
    place = Place(ROOT, Path(os.environ.get("SAMOVAR_VENV") or ROOT / ".venv").absolute())
    command, rest = ("serve", argv) if not argv or argv[0].startswith("-") else (argv[0], argv[1:])
    if {"-h", "--help"} & set(argv[:2]):
        print(say("usage") + flags_help(language(os.environ), min(100, shutil.get_terminal_size().columns)))
        return 0
    if command == "serve":
        return serve(place, rest)
    if command == "test":
        return check(place, rest, ["test"], "pytest")
    if command == "bench":
        return check(place, rest, ["bench", "test"], "tests.bench")
    raise SetupFailed(say("command", name=command))


def serve(place: Place, argv: Sequence[str]) -> int:
    """Set up and hand over to the server, in the folder where the person stands."""
    settings = Settings.from_args(argv, os.environ)
    steps.prepare(place)
    if not settings.model and not any(settings.models_dir.rglob("*.gguf")):
        try:
            steps.fetch_starter(place, settings.models_dir)
        except SetupFailed as failure:
            # The page starts without a model too, and says what to do.
            print(failure, file=sys.stderr)
    return become([str(place.python), "-P", "-m", "webui", *argv], steps.environment(place))


def check(place: Place, argv: Sequence[str], extras: Sequence[str], module: str) -> int:
    """Set up everything that tests or benchmarks need, and run them in the project's folder."""
    steps.prepare(place, extras)
    models = Settings.from_args([], os.environ).models_dir
    steps.fetch_starter(place, models)
    chromium = "" if "not browser" in argv else steps.find_chromium(place)
    env = {**steps.environment(place), "SAMOVAR_TEST_MODELS": str(models), "SAMOVAR_CHROMIUM": chromium}
    os.chdir(ROOT)
    return become([str(place.python), "-m", module, *argv], env)


def become(command: list[str], env: Mapping[str, str]) -> int:
    """Run a program in our place. On Windows it stays a child, which gets Ctrl-C itself."""
    sys.stdout.flush()
    if os.name != "nt":
        os.execve(command[0], command, env)
    with subprocess.Popen(command, env=env) as process:
        while process.poll() is None:
            with contextlib.suppress(KeyboardInterrupt):
                process.wait()
    return process.returncode


def interrupt(*_: object) -> NoReturn:
    """End on SIGTERM and SIGHUP as on Ctrl-C: together with the step that is running."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    for name in {"SIGTERM", "SIGHUP"} & set(dir(signal)):
        signal.signal(getattr(signal, name), interrupt)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        sys.exit(main(sys.argv[1:]))
    except (SetupFailed, BadSetting) as failure:
        sys.exit(str(failure))
    except KeyboardInterrupt:
        print("\n" + say("stopped"))
        sys.exit(130)
