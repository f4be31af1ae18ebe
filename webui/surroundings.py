"""What the machine around us says: the reader's language and the user's data folder. Standard library only."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

Language = Literal["en", "ru"]


def language(environ: Mapping[str, str]) -> Language:
    """Return the reader's language: the first that is set of LC_ALL, LC_MESSAGES, LANG, else what Windows says."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if environ.get(name):
            return "ru" if environ[name].lower().startswith("ru") else "en"
    if sys.platform == "win32":
        import ctypes

        # The low ten bits of a Windows language id are the language, the rest its region; 0x19 is Russian.
        return "ru" if ctypes.windll.kernel32.GetUserDefaultUILanguage() & 0x3FF == 0x19 else "en"
    return "en"


def default_data_dir(environ: Mapping[str, str], platform: str = sys.platform) -> Path:
    """Return the user's data folder of this platform, by the rule that platformdirs has for `samovar`."""
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or Path.home())
    if platform == "win32":
        local = environ.get("LOCALAPPDATA")
        return (Path(local) if local else home / "AppData" / "Local") / "samovar"
    if platform == "darwin":
        return home / "Library" / "Application Support" / "samovar"
    shared = environ.get("XDG_DATA_HOME")
    return (Path(shared) if shared and Path(shared).is_absolute() else home / ".local" / "share") / "samovar"
