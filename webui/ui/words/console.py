"""What the server prints in the console, in English and Russian."""

from __future__ import annotations

from collections.abc import Mapping

CONSOLE: Mapping[str, tuple[str, str]] = {
    "console.ready": ("Samovar is ready: {url}  (Ctrl-C stops it)", "Самовар готов: {url}  (остановить — Ctrl-C)"),
    "console.family": ("For the family, over the home network: {url}", "Для домашних, по домашней сети: {url}"),
    "console.share": ("From anywhere: {url}", "Отовсюду: {url}"),
    "console.password": (
        "The owner's name is {name}, the password is {password}. It is shown only now.",
        "Имя владельца — {name}, пароль — {password}. Он показан только сейчас.",
    ),
    "console.api_key": (
        "A key for programs that use the API: {key}. It is shown only now; more are made under People.",
        "Ключ для программ: {key}. Он показан только сейчас; новые делаются на странице «Люди».",
    ),
    "console.stopping": ("Stopping; what was written is kept.", "Останавливаемся; всё написанное сохранено."),
}
