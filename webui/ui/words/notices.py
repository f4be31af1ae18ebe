"""What the page tells after a command, in English and Russian; errors have their sentences in `errors`."""

from __future__ import annotations

from collections.abc import Mapping

NOTICES: Mapping[str, tuple[str, str]] = {
    "removed_last": (
        "The last exchange is taken away; your text is in the input box.",
        "Последний обмен репликами убран; ваш текст — в поле ввода.",
    ),
    "deleted_message": ("The message is deleted.", "Сообщение удалено."),
    "deleted_chat": ("The chat “{title}” is deleted.", "Чат «{title}» удалён."),
}
