"""SQLite's full-text index, FTS5: the one place with SQL of a single database.

Chosen by trying with Russian words. The tokenizer `unicode61` folds case in all scripts and finds a word by its
beginning, so that with its ending cut off (see `words.stem`) «самовара» finds «самоваром»; `trigram` finds any three
letters within a word, but not «самовар» for «самовара», nothing for the two letters of «ёж», and takes three times the
room. Neither takes ё for е, so ё is replaced before it is indexed.

The index has no copy of the text. Triggers keep it in step with the table in the same transaction; the owner of a
row is indexed as a word, so that the search of one account does not wade through the words of another.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping, text

from webui.history.words import Word


def create(connection: Connection, table: str, column: str, unless: str = "") -> None:
    """Index `column` of a table that has `id` and `account_id`; not the rows for which `unless` is true.

    A row is in the index if and only if `unless` is false for it, so a row that is just being written costs nothing.
    """
    index = f"{table}_index"
    connection.execute(text(
        f"CREATE VIRTUAL TABLE {index} USING fts5("
        "body, owner, content = '', tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3')"
    ))  # fmt: skip
    indexed = {at: f"NOT ({at}.{unless})" if unless else "1" for at in ("old", "new")}
    values = {at: f"{at}.id, {_folded(f'{at}.{column}')}, 'a' || {at}.account_id" for at in ("old", "new")}
    add = f"INSERT INTO {index} (rowid, body, owner) SELECT {values['new']} WHERE {indexed['new']};"
    drop = f"INSERT INTO {index} ({index}, rowid, body, owner) SELECT 'delete', {values['old']} WHERE {indexed['old']};"
    watched = f"{column}, {unless.split()[0]}" if unless else column
    for event, actions in (("INSERT", add), (f"UPDATE OF {watched}", drop + add), ("DELETE", drop)):
        name = f"{index}_{event.split()[0].lower()}"
        connection.execute(text(f"CREATE TRIGGER {name} AFTER {event} ON {table} BEGIN {actions} END"))
    rows = f"INSERT INTO {index} (rowid, body, owner) SELECT {values['new']} FROM {table} AS new"
    connection.execute(text(f"{rows} WHERE {indexed['new']}"))


def find_messages(connection: Connection, account: int, words: Sequence[Word], limit: int) -> Sequence[RowMapping]:
    """Return `chat`, `title`, `message` and `content` of the newest messages that have all the words.

    The chat is the one in which the message was written or, if that was deleted, another one of its tree.
    """
    # CROSS JOIN fixes the order of the loops: the index first, from the newest row, until the limit is reached.
    found = connection.execute(
        text(
            "SELECT chat.id AS chat, chat.title, message.id AS message, message.content"
            " FROM message_index CROSS JOIN message ON message.id = message_index.rowid"
            " CROSS JOIN chat ON chat.id = coalesce("
            "  (SELECT id FROM chat AS own WHERE own.id = message.chat_id AND own.deleted IS NULL),"
            "  (SELECT id FROM chat AS near WHERE near.tree_id = message.tree_id AND near.deleted IS NULL"
            "   ORDER BY near.updated DESC LIMIT 1))"
            " WHERE message_index MATCH :query AND message.account_id = :account AND NOT message.hidden"
            " ORDER BY message_index.rowid DESC LIMIT :limit"
        ),
        {"query": _query(account, words), "account": account, "limit": limit},
    )
    return found.mappings().all()


def find_titles(connection: Connection, account: int, words: Sequence[Word], limit: int) -> Sequence[RowMapping]:
    """Return `chat` and `title` of the chats whose titles have all the words, the newest first."""
    found = connection.execute(
        text(
            "SELECT chat.id AS chat, chat.title FROM chat_index CROSS JOIN chat ON chat.id = chat_index.rowid"
            " WHERE chat_index MATCH :query AND chat.account_id = :account AND chat.deleted IS NULL"
            " ORDER BY chat_index.rowid DESC LIMIT :limit"
        ),
        {"query": _query(account, words), "account": account, "limit": limit},
    )
    return found.mappings().all()


def _folded(column: str) -> str:
    return f"replace(replace({column}, 'ё', 'е'), 'Ё', 'Е')"


def _query(account: int, words: Sequence[Word]) -> str:
    """Every word stands in quotation marks, where FTS5 knows no operators, and words have none within."""
    terms = (f'"{word.text}"*' if word.prefix else f'"{word.text}"' for word in words)
    return f'owner : "a{account}" AND body : ({" AND ".join(terms)})'
