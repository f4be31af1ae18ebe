"""The steps of the set-up, each done once: virtual environment, packages, engine; and what tests need besides."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import os
import re
import shutil
import sys
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path

from backends.llamacpp import install
from webui.setup.place import Place, State
from webui.setup.step import clock, run
from webui.setup.words import SetupFailed, say

PROBE_SECONDS = 3.0
"""What an index of ready-made engines that cannot be reached may cost."""

_CHROMIUMS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Google/Chrome/Application/chrome.exe",
)


def prepare(place: Place, extras: Sequence[str] = ()) -> None:
    """Set up whatever is missing; returns at once where nothing is. Raises `SetupFailed`."""
    if is_ready(place, place.read(), extras):
        return
    started = time.monotonic()
    try:
        with place.held():
            state = place.read()
            if not is_ready(place, state, extras):
                print(say("setup", venv=place.venv, log=place.log), flush=True)
                _set_up(place, state, extras)
                print(say("ready", took=clock(time.monotonic() - started)), flush=True)
    except OSError as error:
        raise SetupFailed(say("failed", step=say("set-up"), reason=error)) from None


def is_ready(place: Place, state: State, extras: Sequence[str]) -> bool:
    """Whether nothing is left to do."""
    return _packages_ready(place, state, extras) and state.engine == engine(place)


def wanted(place: Place) -> str:
    """Return the fingerprint of the files that say which packages are asked for, and in which versions."""
    files = (place.root / "requirements.lock", place.root / "pyproject.toml")
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def engine(place: Place) -> str:
    """Return what names the engine: its version, and what its build must be told here."""
    return " ".join((locked(place, install.PACKAGE), *install.mends()))


def locked(place: Place, package: str) -> str:
    """Return the version that the lock file pins."""
    lock = (place.root / "requirements.lock").read_text(encoding="utf-8")
    found = re.search(rf"(?m)^{re.escape(package)}==([^\s;]+)", lock)
    if not found:
        raise SetupFailed(say("failed", step="requirements.lock", reason=package))
    return found[1]


def environment(place: Place) -> dict[str, str]:
    """Return the environment in which our own modules are found, wherever the person stands."""
    paths = [str(place.root), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}


def fetch_starter(place: Place, models: Path) -> None:
    """Get the starter model into a folder, if it is not there yet. Raises `SetupFailed`."""
    command = [str(place.python), "-P", "-m", "backends.models.starter", str(models)]
    run(say("starter"), command, place.log, environment(place))


def find_chromium(place: Place) -> str:
    """Return the path of an installed browser; without one get Playwright's own and return nothing.

    Raises `SetupFailed` when that cannot be had either.
    """
    found = next(filter(None, map(shutil.which, _CHROMIUMS)), "")
    if not found:
        try:
            run("Chromium", [str(place.python), "-m", "playwright", "install", "chromium"], place.log, os.environ)
        except SetupFailed:
            raise SetupFailed(say("need-chromium")) from None
    return found


def _packages_ready(place: Place, state: State, extras: Sequence[str]) -> bool:
    return not state.busy and state.packages == wanted(place) and set(extras) <= set(state.extras)


def _set_up(place: Place, state: State, extras: Sequence[str]) -> None:
    if state.busy:
        print(say("repair"), flush=True)
    if state.busy or not state.base:
        place.clear()
        _lay_venv(place)
        state = place.note(State())
    if not _packages_ready(place, state, extras):
        state = dataclasses.replace(state, extras=tuple(sorted({*extras, *state.extras})))
        place.note(dataclasses.replace(state, busy=True))
        _install_packages(place, state.extras)
        state = place.note(dataclasses.replace(state, packages=wanted(place)))
    wanted_engine = engine(place)
    if state.engine != wanted_engine:
        state = place.note(dataclasses.replace(state, engine=""))
        _install_engine(place, locked(place, install.PACKAGE))
        place.note(dataclasses.replace(state, engine=wanted_engine))


def _lay_venv(place: Place) -> None:
    if not importlib.util.find_spec("ensurepip"):
        raise SetupFailed(say("no-venv"))
    run(say("venv"), [sys.executable, "-m", "venv", str(place.venv)], place.log, os.environ)


def _install_packages(place: Place, extras: Sequence[str]) -> None:
    project = tomllib.loads((place.root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [name for name in project["dependencies"] if not name.startswith(install.PACKAGE)]
    for extra in extras:
        asked += project["optional-dependencies"][extra]
    run(say("packages"), [*_pip(place), *asked], place.log, os.environ)


def _install_engine(place: Place, version: str) -> None:
    """Install a ready-made wheel that really runs here, else build one from its source."""
    package = f"{install.PACKAGE}=={version}"
    for tag in install.wheel_tags():
        offered = install.offers(place.python, install.index_url(tag), version, PROBE_SECONDS)
        if offered is None:
            print("  " + say("unreachable"), flush=True)
            break
        if offered and _try_wheel(place, tag, package):
            return
    hint = install.compiler_hint(os.environ)
    if hint:
        raise SetupFailed(say("compiler", hint=hint))
    install.remove(place.venv)
    # pip's cache may hold a wheel that was built without being told.
    command = [*_pip(place), "--verbose", *(["--no-cache-dir"] if install.mends() else []), package]
    run(say("build", minutes=install.build_minutes()), command, place.log, install.build_environment(os.environ))
    _check_engine(place)


def _try_wheel(place: Place, tag: str, package: str) -> bool:
    install.remove(place.venv)
    options = ["--only-binary", install.PACKAGE, "--timeout", "10", "--retries", "1"]
    command = [*_pip(place), *options, "--extra-index-url", install.index_url(tag), package]
    try:
        run(say("wheel", tag=tag), command, place.log, os.environ)
        _check_engine(place)
    except SetupFailed:
        print("  " + say("wheel-failed", tag=tag), flush=True)
        return False
    return True


def _check_engine(place: Place) -> None:
    run(say("check"), [str(place.python), "-c", install.CHECK], place.log, os.environ)


def _pip(place: Place) -> list[str]:
    options = ["--no-input", "--disable-pip-version-check", "--constraint", str(place.root / "requirements.lock")]
    return [str(place.python), "-m", "pip", "install", *options]
