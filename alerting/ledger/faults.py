"""SQLite's errors, as sentences for the person in front of the machine."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from alerting.errors import LedgerBusy, LedgerDamaged, LedgerUnavailable, Problem

_PRIMARY: Final = 0xFF
#: Primary result code -> (error, what happened, what to do).  https://www.sqlite.org/rescode.html
_SAID: Final[dict[int, tuple[type[LedgerUnavailable], str, str]]] = {
    sqlite3.SQLITE_BUSY: (
        LedgerBusy,
        "another program holds it for writing",
        "wait for that program, or stop it, and try again",
    ),
    sqlite3.SQLITE_LOCKED: (
        LedgerBusy,
        "another part of this program holds it for writing",
        "try again",
    ),
    sqlite3.SQLITE_FULL: (
        LedgerUnavailable,
        "the disk is full; nothing was written",
        "free some space and try again",
    ),
    sqlite3.SQLITE_READONLY: (
        LedgerUnavailable,
        "it may not be written",
        "give this user write permission on the file and its directory",
    ),
    sqlite3.SQLITE_PERM: (
        LedgerUnavailable,
        "permission denied",
        "give this user permission on the file and its directory",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        LedgerUnavailable,
        "it cannot be opened",
        "check that the directory exists and that this user may read and write in it",
    ),
    sqlite3.SQLITE_NOMEM: (LedgerUnavailable, "out of memory", "stop something else and try again"),
    sqlite3.SQLITE_IOERR: (
        LedgerDamaged,
        "the disk reported an error; what was being written is not safe",
        "stop, check the disk, then start again",
    ),
    sqlite3.SQLITE_CORRUPT: (
        LedgerDamaged,
        "the file is damaged; it has been left as it is",
        "move it aside together with its -wal and -shm files, and restore the last backup",
    ),
    sqlite3.SQLITE_NOTADB: (
        LedgerDamaged,
        "this is not a ledger, or its beginning is damaged; it has been left as it is",
        "check the path, or move the file aside and restore the last backup",
    ),
}


def told(error: sqlite3.Error, path: Path) -> LedgerUnavailable | None:
    """Return what an error of SQLite means for a person; None when it is a mistake of this program."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None or (code & _PRIMARY) not in _SAID:
        return None
    kind, what, fix = _SAID[code & _PRIMARY]
    return kind(Problem(where=str(path), what=what, fix=fix))
