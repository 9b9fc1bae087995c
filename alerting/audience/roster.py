"""An audience read, checked and de-duplicated once, kept beside the ledger until its list changes.

Checking a number costs ten times what sending it does, so it is not done again at 2 am: a roster is
rebuilt when its list's path, size, time of change or filter differ, and otherwise counts and streams
without looking at the list. Memory stays flat: what is distinct is decided by the file's own index.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from alerting.audience.source import AudienceSource, QuickSource, Refused
from alerting.errors import AudienceProblem, LedgerUnavailable, Problem
from alerting.keys import text_digest
from alerting.model.audience import AddressKind, Recipient

if TYPE_CHECKING:
    from alerting.audience.clean import Entry as Entered

#: Raised whenever checking changes, so that an older roster is not trusted.
_VERSION: Final = "1"
_CHUNK: Final = 5_000
#: Digits of what names the state of a list in its roster's name.
_MARK: Final = 16
_EXAMPLES: Final = 20
_WORDS: Final = {kind: kind.value for kind in AddressKind}
_SCHEMA: Final = """
CREATE TABLE entry (
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, address TEXT NOT NULL, recipient TEXT NOT NULL,
  mates TEXT NOT NULL, UNIQUE (kind, address));
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One address of a roster: ``kind:value``, its person, and that person's other addresses."""

    address: str
    recipient: str
    mates: tuple[str, ...] = ()

    def mate(self, kind: AddressKind) -> str:
        """Return the person's first address of another kind, or nothing."""
        return next((mate for mate in self.mates if mate.startswith(f"{kind}:")), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a roster holds. ``examples`` are the first refusals, in words and masked."""

    recipients: int
    refused: int
    duplicates: int
    addresses: dict[str, int] = field(default_factory=dict)
    examples: tuple[str, ...] = ()


class Roster:
    """A checked audience in a file of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def counts(self) -> Counts:
        """Return what the roster holds, without reading its rows."""
        with _reading(self._path) as db:
            [(raw,)] = db.execute("SELECT value FROM meta WHERE name = 'counts'").fetchall()
        told = json.loads(raw)
        return Counts(**{**told, "examples": tuple(told["examples"])})

    def deliveries(
        self, kind: AddressKind, *, fallback: AddressKind | None = None
    ) -> Iterator[tuple[str, str, str]]:
        """Stream (address, recipient, where that person can be reached otherwise) in the order of the list.

        ``fallback`` is the kind of the other address; the first of a person counts. The database joins
        the texts: a million of them need no object here.
        """
        other = "''" if fallback is None else "?1 || address" if fallback is kind else "mates"
        with _reading(self._path) as db:
            # The plus sign keeps to the order of the rows: by the index they would have to be sorted.
            rows = db.execute(
                f"SELECT ?1 || address, recipient, {other} FROM entry"  # noqa: S608 - words of ours
                " WHERE +kind = ?2 ORDER BY id",
                (f"{kind}:", str(kind)),
            )
            if other != "mates":
                yield from rows
                return
            prefix = f"{fallback}:"
            for address, recipient, mates in rows:
                yield address, recipient, next((m for m in mates.split("\n") if m.startswith(prefix)), "")

    def entries(self, kind: AddressKind) -> Iterator[Entry]:
        """Stream every distinct address of a kind, in the order of the list."""
        with _reading(self._path) as db:
            rows = db.execute(
                "SELECT address, recipient, mates FROM entry WHERE +kind = ? ORDER BY id", (str(kind),)
            )
            for address, recipient, mates in rows:
                yield Entry(
                    address=f"{kind}:{address}",
                    recipient=recipient,
                    mates=tuple(mates.split("\n")) if mates else (),
                )


def roster_of(source: AudienceSource, *, name: str, list_path: Path, salt: str, directory: Path) -> Roster:
    """Return the roster of an audience, building it when there is none or its list has changed.

    ``salt`` names whatever else shapes the result (region, groups).

    Raises:
        AudienceProblem: the list cannot be read, or nobody is on it.
        LedgerUnavailable: what was checked cannot be kept: a full disk, no permission.
    """
    try:
        stat = list_path.stat()
    except OSError as error:
        raise _unreadable(list_path, error) from error
    mark = text_digest(
        _VERSION, str(list_path.resolve()), str(stat.st_size), str(stat.st_mtime_ns), str(stat.st_ino), salt
    )
    path = directory / f"{name}-{mark[:_MARK]}.roster"
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not _whole(path):
            _build(source, path, list_path)
            _sweep(directory, name, keep=path)
    except (OSError, sqlite3.Error) as error:
        raise _unkept(directory, error) from error
    return Roster(path)


def _whole(path: Path) -> bool:
    """Whether a roster is there and can be read; a damaged one is built anew."""
    try:
        return path.exists() and Roster(path).counts().recipients > 0
    except (AudienceProblem, sqlite3.Error, ValueError, TypeError):
        return False


def _build(source: AudienceSource, path: Path, list_path: Path) -> None:
    draft = path.with_suffix(f".{os.getpid()}.draft")
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600))
    db = sqlite3.connect(draft, isolation_level=None)
    try:
        db.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-8192;" + _SCHEMA
        )
        db.execute("BEGIN")
        counts = _fill(db, source)
        if not counts.recipients:
            raise AudienceProblem(
                Problem(
                    where=str(list_path),
                    what="nobody on this list can be reached",
                    fix="; ".join(counts.examples[:3]) or "the list is empty; check its export",
                )
            )
        db.execute("INSERT INTO meta VALUES ('counts', ?)", (json.dumps(_plain(counts)),))
        db.execute("COMMIT")
        db.close()
        _sync(draft)
        draft.replace(path)
    finally:
        db.close()
        draft.unlink(missing_ok=True)


def _sync(draft: Path) -> None:
    """Have a file on the disk before it takes its name: a power cut must leave no half a list there."""
    file = os.open(draft, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _fill(db: sqlite3.Connection, source: AudienceSource) -> Counts:
    # Read only when a list has changed.
    from alerting.audience.clean import Clean

    recipients = refused = offered = 0
    examples: list[str] = []
    rows: list[Entered] = []
    for found in source.quick() if isinstance(source, QuickSource) else source.read():
        if isinstance(found, Clean):
            recipients += found.people
            offered += len(found.entries)
            rows += found.entries
        elif isinstance(found, Refused):
            refused += 1
            if len(examples) < _EXAMPLES:
                examples.append(str(found.problem(source.name)))
        else:
            recipients += 1
            offered += len(found.addresses)
            rows += _rows(found)
        if len(rows) >= _CHUNK:
            _write(db, rows)
    _write(db, rows)
    addresses = dict(db.execute("SELECT kind, count(*) FROM entry GROUP BY kind").fetchall())
    return Counts(
        recipients=recipients,
        refused=refused,
        duplicates=offered - sum(addresses.values()),
        addresses=addresses,
        examples=tuple(examples),
    )


def _rows(person: Recipient) -> Sequence[Entered]:
    from alerting.audience.clean import rows_of

    name = person.id or (f"line {person.line}" if person.line else "")
    return rows_of(name, [(_WORDS[address.kind], address.value) for address in person.addresses])


def _write(db: sqlite3.Connection, rows: list[Entered]) -> None:
    db.executemany("INSERT OR IGNORE INTO entry (kind, address, recipient, mates) VALUES (?, ?, ?, ?)", rows)
    rows.clear()


def _plain(counts: Counts) -> dict[str, object]:
    return {
        "recipients": counts.recipients,
        "refused": counts.refused,
        "duplicates": counts.duplicates,
        "addresses": counts.addresses,
        "examples": list(counts.examples),
    }


def _reading(path: Path) -> closing[sqlite3.Connection]:
    """Open a finished roster; nobody writes to it any more, so it needs no locks.

    Raises:
        AudienceProblem: it is gone, because its list has changed.
    """
    uri = f"file:{quote(str(path))}?mode=ro&immutable=1"
    try:
        return closing(sqlite3.connect(uri, uri=True, isolation_level=None))
    except sqlite3.OperationalError as error:
        what = "the list changed while it was being read; nothing was sent"
        raise AudienceProblem(Problem(where=path.name, what=what, fix="repeat the command")) from error


def _sweep(directory: Path, name: str, *, keep: Path) -> None:
    """Remove rosters of earlier states of the list: they are copies of personal data."""
    for old in directory.glob(f"{escape(name)}-{'[0-9a-f]' * _MARK}.roster"):
        if old != keep:
            old.unlink(missing_ok=True)


def _unkept(directory: Path, error: OSError | sqlite3.Error) -> LedgerUnavailable:
    words = getattr(error, "strerror", None) or str(error)  # SQLite's own: "database or disk is full"
    what = f"the checked list cannot be kept here ({words}); nothing was sent"
    fix = "free some space there, or let this user write there"
    return LedgerUnavailable(Problem(where=str(directory), what=what, fix=fix))


def _unreadable(path: Path, error: OSError) -> AudienceProblem:
    what = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
    return AudienceProblem(
        Problem(where=str(path), what=what, fix="correct `csv:` of the audience in channels.yaml")
    )
