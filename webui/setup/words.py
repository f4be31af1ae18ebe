"""What the launcher says, in English and Russian."""

from __future__ import annotations

import os
from collections.abc import Mapping

from webui.surroundings import language

_WORDS: Mapping[str, tuple[str, str]] = {
    "usage": (
        "Samovar: a small ChatGPT at home.\n\n"
        "  python3 launch.py [serve] [flags]            set up what is missing, then serve (the default)\n"
        "  python3 launch.py test [pytest's arguments]  set up what the tests need, and run them\n"
        "  python3 launch.py bench [--output FILE] [--only NAME]\n"
        "                                               measure; print tables, write them as JSON\n"
        "  python3 launch.py --help                     this text\n\n"
        "Flags of serve; --gpu-layers is also the environment variable SAMOVAR_GPU_LAYERS, and so on:\n",
        "Самовар — маленький домашний ChatGPT.\n\n"
        "  python3 launch.py [serve] [ключи]            доустановить недостающее и работать (по умолчанию)\n"
        "  python3 launch.py test [аргументы pytest]    установить нужное для тестов и прогнать их\n"
        "  python3 launch.py bench [--output ФАЙЛ] [--only ИМЯ]\n"
        "                                               замеры: таблицы на экран и JSON в файл\n"
        "  python3 launch.py --help                     эта справка\n\n"
        "Ключи serve; --gpu-layers — это и переменная окружения SAMOVAR_GPU_LAYERS, и так далее:\n",
    ),
    "command": ("There is no command {name}; --help lists all.", "Команды {name} нет; все перечислены в --help."),
    "setup": ("Setting up in {venv} (full log: {log})", "Установка в {venv} (полный журнал: {log})"),
    "set-up": ("The set-up", "Установка"),
    "waiting": ("Another set-up is running here; waiting for it.", "Здесь уже идёт установка; ждём её."),
    "repair": ("The last set-up did not end; starting afresh.", "Прошлая установка не закончена; начинаем заново."),
    "ready": ("Set up in {took}.", "Установлено за {took}."),
    "venv": ("Virtual environment", "Виртуальное окружение"),
    "packages": ("Packages", "Пакеты"),
    "wheel": ("Engine, ready-made ({tag})", "Движок, готовая сборка ({tag})"),
    "wheel-failed": (
        "The ready-made engine ({tag}) does not run here.",
        "Готовая сборка движка ({tag}) здесь не работает.",
    ),
    "unreachable": ("The ready-made engines cannot be reached.", "Готовые сборки движка недоступны."),
    "build": ("Engine, built from source (about {minutes} min)", "Движок, сборка из исходников (около {minutes} мин)"),
    "compiler": (
        "The engine must be built here, and there is no C++ compiler. Install one, then start again:\n  {hint}",
        "Движок нужно собрать на месте, а компилятора C++ нет. Установите его и запустите снова:\n  {hint}",
    ),
    "check": ("Engine, a first run", "Движок, пробный запуск"),
    "starter": ("Starter model", "Начальная модель"),
    "need-chromium": (
        "The browser tests need Chromium: install it (on Debian: apt install chromium), or leave them out:\n"
        '  python3 launch.py test -m "not browser"',
        "Тестам страницы нужен Chromium: установите его (в Debian: apt install chromium) или пропустите их:\n"
        '  python3 launch.py test -m "not browser"',
    ),
    "offline": (
        "{step}: the network could not be reached ({package}). Connect and start again; nothing done so far is lost.",
        "{step}: нет связи с сетью ({package}). Подключитесь и запустите снова: сделанное не пропадёт.",
    ),
    "full": ("{step}: the disk is full.", "{step}: на диске кончилось место."),
    "failed": ("{step} failed: {reason}", "{step}: не получилось: {reason}"),
    "log": ("The full log: {log}", "Полный журнал: {log}"),
    "no-venv": (
        "This Python cannot make virtual environments. Install the missing part: sudo apt install python3-venv",
        "Этот Python не умеет создавать виртуальные окружения. Установите: sudo apt install python3-venv",
    ),
    "stopped": ("Stopped. Start again to go on.", "Остановлено. Запустите снова, чтобы продолжить."),
}


class SetupFailed(Exception):
    """The set-up cannot go on; its text is what the person reads."""


def say(key: str, **details: object) -> str:
    """Return a sentence in the reader's language."""
    return _WORDS[key][language(os.environ) == "ru"].format_map(details)
