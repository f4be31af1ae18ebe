"""The tables as they are now. Whoever changes one adds a step to `migrations`; a test compares the two.

Rows never leave the history package. Columns that may be long stand last, so that the short ones are read without
them. Times are in seconds since the epoch.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, Text, text
from sqlmodel import Field, SQLModel

WRITING = "state = 'writing'"


class Row(SQLModel):
    """The base of our tables; their metadata is our own, apart from any other SQLModel's."""

    metadata = MetaData()


def _text() -> Column[str]:
    return Column(Text, nullable=False)


class AccountRow(Row, table=True):
    """A person. `key` is what no two names may share; a removed account has none and stays, with its chats."""

    __tablename__ = "account"
    id: int | None = Field(default=None, primary_key=True)
    name: str
    key: str | None = Field(default=None, unique=True)
    owner: bool
    password_hash: str
    created: float
    removed: float | None = None


class SessionRow(Row, table=True):
    """A browser that is signed in. Its token is not kept, only a digest of it."""

    __tablename__ = "session"
    digest: str = Field(primary_key=True)
    account_id: int = Field(foreign_key="account.id", index=True)
    created: float
    expires: float


class InvitationRow(Row, table=True):
    """A way in for one new account; `account_id` is who came by it."""

    __tablename__ = "invitation"
    digest: str = Field(primary_key=True)
    created: float
    expires: float
    account_id: int | None = Field(default=None, foreign_key="account.id")


class ApiKeyRow(Row, table=True):
    """A key for programs. Only its digest is kept; `hint` is how it ends, by which its owner knows it."""

    __tablename__ = "api_key"
    id: int | None = Field(default=None, primary_key=True)
    account_id: int = Field(foreign_key="account.id", index=True)
    digest: str = Field(unique=True)
    created: float
    label: str
    hint: str


class TreeRow(Row, table=True):
    """A tree of messages, into which one or more chats point; `revision` grows with every change of a message."""

    __tablename__ = "tree"
    id: int | None = Field(default=None, primary_key=True)
    account_id: int = Field(foreign_key="account.id")
    revision: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default=text("0")))


class MessageRow(Row, table=True):
    """A message. `chat_id` is the chat in which it was written (a hint for search); `made` is a JSON object."""

    __tablename__ = "message"
    __table_args__ = (
        Index("ix_message_writing", "id", sqlite_where=text(WRITING), postgresql_where=text(WRITING)),
    )  # fmt: skip
    id: int | None = Field(default=None, primary_key=True)
    account_id: int = Field(foreign_key="account.id")
    tree_id: int = Field(foreign_key="tree.id", index=True)
    chat_id: int
    parent_id: int | None = Field(default=None, foreign_key="message.id")
    role: str
    state: str
    hidden: bool
    created: float
    made: str | None = Field(default=None, sa_column=Column(Text))
    content: str = Field(sa_column=_text())
    reasoning: str = Field(sa_column=_text())


class ChatRow(Row, table=True):
    """A chat: a tip in a tree. A deleted one keeps everything and can be restored."""

    __tablename__ = "chat"
    __table_args__ = (Index("ix_chat_account_updated", "account_id", "updated"),)
    id: int | None = Field(default=None, primary_key=True)
    account_id: int = Field(foreign_key="account.id")
    tree_id: int = Field(foreign_key="tree.id", index=True)
    tip_id: int | None = Field(default=None, foreign_key="message.id")
    created: float
    updated: float
    deleted: float | None = None
    title: str
    system: str = Field(sa_column=_text())


class TokenCountRow(Row, table=True):
    """What a message costs in tokens of one tokenizer (and template)."""

    __tablename__ = "token_count"
    message_id: int = Field(foreign_key="message.id", primary_key=True)
    tokenizer: str = Field(primary_key=True)
    tokens: int


class TokenChoicesRow(Row, table=True):
    """What was weighed for a stretch of a message's tokens; `part` counts from 0 (see `choices.pack`)."""

    __tablename__ = "token_choices"
    message_id: int = Field(foreign_key="message.id", primary_key=True)
    part: int = Field(primary_key=True)
    start: int
    packed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class SettingRow(Row, table=True):
    """A setting of one account; `value` is JSON."""

    __tablename__ = "setting"
    account_id: int = Field(foreign_key="account.id", primary_key=True)
    key: str = Field(primary_key=True)
    value: str = Field(sa_column=_text())


METADATA = Row.metadata
ACCOUNT = METADATA.tables["account"]
SESSION = METADATA.tables["session"]
INVITATION = METADATA.tables["invitation"]
API_KEY = METADATA.tables["api_key"]
TREE = METADATA.tables["tree"]
MESSAGE = METADATA.tables["message"]
CHAT = METADATA.tables["chat"]
TOKEN_COUNT = METADATA.tables["token_count"]
TOKEN_CHOICES = METADATA.tables["token_choices"]
SETTING = METADATA.tables["setting"]
