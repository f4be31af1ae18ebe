"""Search over the chats of one account: in titles, then in messages.

With SQLite's full-text index where a text has words; on other databases by regular expressions, where accents count;
a text without words by LIKE.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, RowMapping, func, select

from webui.history import fulltext
from webui.history.tables import CHAT, MESSAGE
from webui.history.text import storable
from webui.history.values import Hit
from webui.history.words import Word, read_words, snippet

LONGEST_SEARCH = 200


def search(connection: Connection, account: int, text: str, limit: int) -> list[Hit]:
    """Return at most `limit` hits, the newest first; titles leave half of the room to messages."""
    text = storable(text[:LONGEST_SEARCH]).strip()
    if not text or limit <= 0:
        return []
    words = read_words(text)
    if words and connection.dialect.name == "sqlite":
        titles = fulltext.find_titles(connection, account, words, limit)
        room = limit - min(len(titles), (limit + 1) // 2)
        messages = fulltext.find_messages(connection, account, words, room) if room else []
    else:
        titles = _titles(connection, account, words, text, limit)
        room = limit - min(len(titles), (limit + 1) // 2)
        messages = _messages(connection, account, words, text, room)
    found = [Hit(row["chat"], row["title"], None, snippet(row["title"], words, text)) for row in titles]
    inside = [Hit(row["chat"], row["title"], row["message"], snippet(row["content"], words, text)) for row in messages]
    return found[: limit - len(inside)] + inside


def _titles(connection: Connection, account: int, words: Sequence[Word], text: str, limit: int,
            ) -> Sequence[RowMapping]:  # fmt: skip
    statement = (
        select(CHAT.c.id.label("chat"), CHAT.c.title)
        .where(CHAT.c.account_id == account, CHAT.c.deleted.is_(None), *_matches(CHAT.c.title, words, text))
        .order_by(CHAT.c.id.desc())
        .limit(limit)
    )
    return connection.execute(statement).mappings().all()


def _messages(connection: Connection, account: int, words: Sequence[Word], text: str, limit: int,
              ) -> Sequence[RowMapping]:  # fmt: skip
    """See `fulltext.find_messages`: the chat is the one of the writing or, if that was deleted, another of its tree."""
    own, near = CHAT.alias("own"), CHAT.alias("near")
    its_own = select(own.c.id).where(own.c.id == MESSAGE.c.chat_id, own.c.deleted.is_(None))
    nearest = select(near.c.id).where(near.c.tree_id == MESSAGE.c.tree_id, near.c.deleted.is_(None))
    nearest = nearest.order_by(near.c.updated.desc()).limit(1)
    chat = func.coalesce(*(found.correlate(MESSAGE).scalar_subquery() for found in (its_own, nearest)))
    statement = (
        select(CHAT.c.id.label("chat"), CHAT.c.title, MESSAGE.c.id.label("message"), MESSAGE.c.content)
        .select_from(MESSAGE.join(CHAT, CHAT.c.id == chat))
        .where(MESSAGE.c.account_id == account, ~MESSAGE.c.hidden, MESSAGE.c.state != "writing")
        .where(*_matches(MESSAGE.c.content, words, text))
        .order_by(MESSAGE.c.id.desc())
        .limit(limit)
    )
    return connection.execute(statement).mappings().all()


def _matches(column: ColumnElement[str], words: Sequence[Word], text: str) -> list[ColumnElement[bool]]:
    """Without words the text is looked for as it stands, else each of them; `%` and `_` are nothing special."""
    if not words:
        return [column.contains(text, autoescape=True)]
    folded = func.replace(func.lower(column), "ё", "е")
    # Found by its beginning. A word is letters and digits: nothing in it is special to a regular expression.
    return [folded.regexp_match(rf"(^|\W|_){word.text}") for word in words]
