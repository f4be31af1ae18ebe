"""The errors of the house around the model; `backends.errors` has the root and its `code` and `details`.

SamovarError
├── InvalidRequest          the asker can mend it
│   ├── NotFound              no such thing, or somebody else's
│   ├── NothingToDo           there is nothing that the command could work on
│   ├── OwnerOnly             only the owner of the house may do it
│   ├── BadName               a name that cannot be used
│   ├── PresetBroken          a preset's file cannot be read
│   ├── PresetExists          saving would overwrite one
│   ├── PresetReserved        the name belongs to a preset that ships
│   ├── PresetNotFound        no preset of that name
│   ├── WindowTooSmall        not even the system message and the reply's room fit
│   ├── SignInFailed          the name or the password is wrong
│   ├── TooManyAttempts       wait before the next one
│   └── InvitationInvalid     used, outdated or made up
├── ChatBusy                a reply is being written there
├── HistoryFailed           the database does not work
│   ├── DatabaseTooNew        a later version wrote it
│   ├── DatabaseBroken        damaged, or not a database of ours
│   ├── DatabaseUnavailable   locked, unreachable, or not permitted
│   └── StorageFull           no room on the disk
├── ModelUnavailable        (see `backends.errors`)
│   ├── NoModel               none is chosen
│   └── ModelLoading          it is not ready yet
├── PortInUse               something else serves there
└── FolderUnusable          nothing can be kept in the data folder
"""

from __future__ import annotations

from backends.errors import InvalidRequest, ModelUnavailable, SamovarError


class NotFound(InvalidRequest):
    """No such thing, or it belongs to somebody else. Details: what ("chat", "message", "account" …)."""

    message = "There is no such {what}."


class NothingToDo(InvalidRequest):
    """There is nothing that the command could work on. Details: reason (a short code)."""

    message = "There is nothing to do: {reason}."


class OwnerOnly(InvalidRequest):
    """Only the owner of the house may do it: it changes something for everybody."""

    message = "Only the owner can do this."


class BadName(InvalidRequest):
    """A name that cannot be used. Details: name, reason ("empty", "too_long", "invisible", "taken")."""

    message = "The name {name} cannot be used: {reason}."


class PresetBroken(InvalidRequest):
    """A preset's file cannot be read. Details: name, reason."""

    message = "The preset {name} cannot be read: {reason}"


class PresetExists(InvalidRequest):
    """Saving would overwrite one of the person's own. Details: name."""

    message = "There is a preset called {name} already."


class PresetReserved(InvalidRequest):
    """The name belongs to a preset that ships, which stays as it is. Details: name."""

    message = "{name} is a preset that ships with Samovar; it cannot be changed. Choose another name."


class PresetNotFound(InvalidRequest):
    """No preset of that name. Details: name."""

    message = "There is no preset called {name}."


class WindowTooSmall(InvalidRequest):
    """Not even the system message and the room for the reply fit. Details: window, needed (tokens)."""

    message = "The model's window holds {window} tokens, but the system message and the reply need {needed}."


class SignInFailed(InvalidRequest):
    """The name or the password is wrong; which one is not said."""

    message = "The name or the password is wrong."


class TooManyAttempts(InvalidRequest):
    """Details: seconds to wait before the next one."""

    message = "Too many attempts: wait {seconds} seconds."


class InvitationInvalid(InvalidRequest):
    """The invitation was used, is outdated, or was made up."""

    message = "This invitation is not valid, or no longer."


class ChatBusy(SamovarError):
    """A reply is being written in this chat."""

    message = "A reply is being written in this chat."


class HistoryFailed(SamovarError):
    """The database does not work. Details: reason."""

    message = "The history cannot be read or written: {reason}"


class DatabaseTooNew(HistoryFailed):
    """A later version of Samovar wrote it; it is left as it is. Details: found, known (schema versions)."""

    message = "The history was written by a newer Samovar (version {found}; this one knows {known}). Update Samovar."


class DatabaseBroken(HistoryFailed):
    """Damaged, or not a database of ours; the file is left as it is. Details: reason."""

    message = "The history is damaged or not a Samovar database: {reason}"


class DatabaseUnavailable(HistoryFailed):
    """Locked by another program, unreachable, or not permitted. Details: reason."""

    message = "The history cannot be reached: {reason}"


class StorageFull(HistoryFailed):
    """No room on the disk. Details: reason."""

    message = "The disk is full: {reason}"


class NoModel(ModelUnavailable):
    """None is chosen."""

    message = "No model is loaded."


class ModelLoading(ModelUnavailable):
    """It is not ready yet. Details: name."""

    message = "The model {name} is still loading."


class PortInUse(SamovarError):
    """Something else serves there. Details: port."""

    message = "The port {port} is in use by another program."


class FolderUnusable(SamovarError):
    """Nothing can be kept there. Details: folder, reason."""

    message = "Nothing can be kept in the folder {folder}: {reason}."
