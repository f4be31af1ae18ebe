"""Long dialogues in a history, written in bulk: through the store each message would be a transaction of its own."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from contextlib import closing
from itertools import count
from pathlib import Path

from sqlalchemy import insert

from backends.values import Timings, Usage
from webui.dialogue import Made
from webui.history.connection import Database
from webui.history.made import write_made
from webui.history.store import History
from webui.history.tables import CHAT, MESSAGE, TREE

OWNER = 1
_BEGINNING = 1_700_000_000.0
_WORDS = [
    "tea",
    "kettle",
    "water",
    "leaf",
    "steam",
    "copper",
    "table",
    "evening",
    "guest",
    "cup",
    "honey",
    "lemon",
    "story",
    "winter",
    "morning",
    "charcoal",
    "самовар",
    "чайник",
    "вода",
    "лист",
    "пар",
    "медь",
    "стол",
    "вечер",
    "гость",
    "чашка",
    "мёд",
    "лимон",
    "рассказ",
    "зима",
    "утро",
    "уголь",
]


def words(chance: random.Random, number: int) -> str:
    """Return so many words, half of them Latin, half Cyrillic."""
    return " ".join(chance.choices(_WORDS, k=number))


def talk(chance: random.Random, size: int, least: int = 20, most: int = 80) -> list[str]:
    """Return the texts of a dialogue of `size` messages, the person's first."""
    return [words(chance, chance.randint(least, most)) for _ in range(size)]


def url_of(folder: Path) -> str:
    """Return the database of a server whose data folder is `folder`."""
    return f"sqlite:///{(folder / 'samovar.db').as_posix()}"


def store(folder: Path, talks: Iterable[Sequence[str]]) -> list[int]:
    """Add a chat of the owner's for each dialogue; return their ids. Persons and assistant take turns."""
    url = url_of(folder)
    folder.mkdir(parents=True, exist_ok=True)
    History(url).close()
    trees: list[dict[str, object]] = []
    messages: list[dict[str, object]] = []
    chats: list[dict[str, object]] = []
    numbers = count(1)
    for chat, texts in enumerate(talks, 1):
        trees.append({"id": chat, "account_id": OWNER})
        parent: int | None = None
        for at, text in enumerate(texts):
            number = next(numbers)
            messages.append({
                "id": number, "account_id": OWNER, "tree_id": chat, "chat_id": chat, "parent_id": parent,
                "role": ("user", "assistant")[at % 2], "state": "done", "hidden": False,
                "created": _BEGINNING + number, "made": _made(number) if at % 2 else None, "content": text,
                "reasoning": "",
            })  # fmt: skip
            parent = number
        chats.append({
            "id": chat, "account_id": OWNER, "tree_id": chat, "tip_id": parent, "created": _BEGINNING,
            "updated": _BEGINNING + next(numbers), "deleted": None, "title": " ".join(texts[0].split()[:6]),
            "system": "",
        })  # fmt: skip
    with closing(Database(url)) as database, database.write() as connection:
        for table, rows in ((TREE, trees), (MESSAGE, messages), (CHAT, chats)):
            connection.execute(insert(table), rows)
    return [int(str(chat["id"])) for chat in chats]


def _made(number: int) -> str | None:
    """Return what is kept with a reply: no two of them alike."""
    usage, timings = Usage(400 + number % 1000, 300, 80), Timings(0.01, 0.1 + number / 1e6, 0.8)
    sampling = {"temperature": 0.7, "top_k": 100, "top_p": 0.9, "min_p": 0.05, "repeat_penalty": 1.05}
    return write_made(Made("SmolLM2 135M Instruct", "0123456789abcdef", sampling, number, usage, timings))
