"""Settings: flag over variable over default, clear refusals in two languages, and what follows from them."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from webui.flags import BadSetting, flag, variable
from webui.settings import Settings, flags_help, options
from webui.surroundings import default_data_dir, language

HOME = {"HOME": str(Path("/home/anna")), "LANG": "en_GB.UTF-8"}
CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)


def test_flag_over_variable_over_default() -> None:
    assert Settings.from_args([], HOME).port == 7860
    assert Settings.from_args([], {**HOME, "SAMOVAR_PORT": "8000"}).port == 8000
    assert Settings.from_args(["--port", "9000"], {**HOME, "SAMOVAR_PORT": "8000"}).port == 9000


def test_a_flag_saves_from_a_broken_variable() -> None:
    assert Settings.from_args(["--port", "9000"], {**HOME, "SAMOVAR_PORT": "many"}).port == 9000


def test_every_kind_is_read_from_flags() -> None:
    given = ["--listen", "--gpu-layers", "-1", "--ctx=4096", "--model", "user/repo:Q4_K_M", "--data-dir", "/srv/tea"]
    settings = Settings.from_args([*given, "--allowed-host", "tea.lan", "--allowed-host", "tea.local"], HOME)
    assert settings.listen and not settings.share
    assert (settings.gpu_layers, settings.ctx, settings.model) == (-1, 4096, "user/repo:Q4_K_M")
    assert settings.allowed_host == ("tea.lan", "tea.local")
    assert settings.data_dir == Path("/srv/tea").absolute()


def test_every_kind_is_read_from_variables() -> None:
    given = {
        "SAMOVAR_LISTEN": "Yes",
        "SAMOVAR_SHARE": "off",
        "SAMOVAR_CTX": "0",
        "SAMOVAR_ALLOWED_HOST": "a.lan, b.lan,",
    }
    settings = Settings.from_args([], {**HOME, **given})
    assert (settings.listen, settings.share, settings.ctx) == (True, False, 0)
    assert settings.allowed_host == ("a.lan", "b.lan")


BAD = [
    ["--port", "70000"],
    ["--port", "-1"],
    ["--port", "7860.5"],
    ["--port", "9" * 5000],
    ["--port"],
    ["--ctx", "255"],
    ["--ctx", "-256"],
    ["--parallel", "0"],
    ["--gpu-layers", "-2"],
    ["--host", "a b"],
    ["--host", ""],
    ["--host", "http://x"],
    ["--data-dir", ""],
    ["--database-url", "chats.db"],
    ["--model", "a\nb"],
    ["--listen=maybe"],
    ["--prot", "80"],
    ["--por", "80"],
    ["model.gguf"],
]


@pytest.mark.parametrize("argv", BAD, ids=lambda argv: " ".join(argv)[:20])
def test_bad_values_are_named_in_both_languages(argv: list[str]) -> None:
    with pytest.raises(BadSetting) as english:
        Settings.from_args(argv, HOME)
    with pytest.raises(BadSetting) as russian:
        Settings.from_args(argv, {**HOME, "LANG": "ru_RU.UTF-8"})
    assert english.value.details["name"] == russian.value.details["name"] == argv[0].partition("=")[0]
    assert not CYRILLIC.search(str(english.value))
    assert CYRILLIC.search(str(russian.value))


def test_a_bad_variable_is_called_by_its_name() -> None:
    with pytest.raises(BadSetting, match="SAMOVAR_LISTEN: 'maybe'"):
        Settings.from_args([], {**HOME, "SAMOVAR_LISTEN": "maybe"})


def test_the_range_is_told() -> None:
    with pytest.raises(BadSetting, match="0, 256 … 16777216"):
        Settings.from_args(["--ctx", "100"], HOME)


@pytest.mark.parametrize("width", [40, 100])
@pytest.mark.parametrize("spoken", ["en", "ru"])
def test_the_help_lists_every_flag(spoken: str, width: int) -> None:
    text = flags_help(spoken, width)  # type: ignore[arg-type]
    assert [line.split()[0] for line in text.splitlines() if line.startswith("  --")] == [
        flag(name) for name in options()
    ]
    assert bool(CYRILLIC.search(text)) == (spoken == "ru")
    assert "[7860]" in text and "[127.0.0.1]" in text


def test_every_option_has_help_in_both_languages() -> None:
    for name, option in options().items():
        english, russian = option.help
        assert english.endswith(".") and not CYRILLIC.search(english), name
        assert russian.endswith(".") and CYRILLIC.search(russian), name
    assert len({variable(name) for name in options()}) == len(dataclasses.fields(Settings))


@pytest.mark.parametrize(
    ("environ", "spoken"),
    [
        ({"LANG": "ru_RU.UTF-8"}, "ru"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "ru_RU.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "C", "LC_MESSAGES": "ru_UA"}, "ru"),
        ({"LC_ALL": "", "LANG": "ru"}, "ru"),
    ],
)
def test_language(environ: dict[str, str], spoken: str) -> None:
    assert language(environ) == spoken


@pytest.mark.parametrize(
    ("platform", "environ", "folder"),
    [
        ("linux", {"HOME": "/home/a"}, "/home/a/.local/share/samovar"),
        ("linux", {"HOME": "/home/a", "XDG_DATA_HOME": "/data"}, "/data/samovar"),
        ("linux", {"HOME": "/home/a", "XDG_DATA_HOME": "data"}, "/home/a/.local/share/samovar"),
        ("darwin", {"HOME": "/Users/a"}, "/Users/a/Library/Application Support/samovar"),
        ("win32", {"LOCALAPPDATA": "C:/Users/a/AppData/Local"}, "C:/Users/a/AppData/Local/samovar"),
        ("win32", {"USERPROFILE": "C:/Users/a"}, "C:/Users/a/AppData/Local/samovar"),
    ],
)
def test_data_dir(platform: str, environ: dict[str, str], folder: str) -> None:
    assert default_data_dir(environ, platform).as_posix() == folder


def test_the_data_dir_is_where_platformdirs_has_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import platformdirs

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert default_data_dir({"HOME": str(tmp_path)}) == platformdirs.user_data_path("samovar", appauthor=False)


def test_paths_lie_in_the_data_dir(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    assert settings.models_dir == tmp_path / "models"
    assert settings.presets_dir == tmp_path / "presets"
    assert settings.secret_file == tmp_path / "secret"
    assert settings.database == f"sqlite:///{tmp_path.as_posix()}/samovar.db"
    assert Settings(tmp_path, database_url="postgresql://u@h/d").database == "postgresql://u@h/d"


@pytest.mark.parametrize(
    ("argv", "address", "sign_in"),
    [
        ([], "127.0.0.1", False),
        (["--host", "localhost"], "localhost", False),
        (["--host", "::1"], "::1", False),
        (["--host", "0.0.0.0"], "0.0.0.0", True),
        (["--host", "192.168.1.5"], "192.168.1.5", True),
        (["--host", "tea.lan"], "tea.lan", True),
        (["--listen"], "0.0.0.0", True),
        (["--listen", "--host", "192.168.1.5"], "192.168.1.5", True),
        (["--share"], "127.0.0.1", True),
    ],
)
def test_everyone_signs_in_as_soon_as_others_can_come(argv: list[str], address: str, sign_in: bool) -> None:
    settings = Settings.from_args(argv, HOME)
    assert (settings.address, settings.sign_in) == (address, sign_in)


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    shown = repr(Settings(tmp_path, password="hunter2", database_url="postgresql://u:hunter3@h/d"))
    assert "hunter" not in shown
