"""An audience read, checked and de-duplicated once, kept beside the ledger until its list changes.

Checking a number costs ten times what sending it does, so it is not done again at 2 am: a roster is
rebuilt when its list's path, size, time of change or filter differ, and otherwise counts and streams
without looking at the list. Its name says what it held when it was checked, so that whoever takes it over can
tell whether it still does. Memory stays flat: what is distinct is found by sorting, in the file's database.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from itertools import chain, islice
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

from alerting.audience.source import EMAIL, PHONE, AudienceSource, QuickSource, Refused, Row
from alerting.digest import text_digest
from alerting.errors import AudienceProblem, LedgerUnavailable, Problem
from alerting.model.audience import AddressKind, Recipient
from alerting.named import NamedTuple

#: Raised whenever checking changes, so that an older roster is not trusted.
_VERSION: Final = "2"
_CHUNK: Final = 5_000
#: Digits of what names the state of a list in its roster's name, and of what names the roster's own.
_MARK: Final = 16
_DIGEST: Final = 64
_SUFFIX: Final = ".roster"
#: Bytes of a roster that are digested at a time.
_PIECE: Final = 1 << 18
_AT_ONCE: Final = 50
_ADD: Final = "INSERT INTO entry (recipient, phone, email, own) VALUES (?, ?, ?, ?)"
_EXAMPLES: Final = 20
#: The column of an address, and the bit that says that the row is where its person is told by it.
_KINDS: Final = {AddressKind.PHONE: ("phone", PHONE), AddressKind.EMAIL: ("email", EMAIL)}
#: Large pages, since rows are written once, one after another, and read so. A draft may be lost.
_PRAGMAS: Final = """
PRAGMA page_size=16384; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-2048;
"""
_SCHEMA: Final = """
CREATE TABLE entry (
  id INTEGER PRIMARY KEY, recipient TEXT NOT NULL, phone TEXT NOT NULL, email TEXT NOT NULL,
  own INTEGER NOT NULL);
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TEMP TABLE twice (address TEXT PRIMARY KEY) WITHOUT ROWID;
"""


class Entry(NamedTuple):
    """One address of a roster: ``kind:value``, its person, and where that person can be reached otherwise."""

    address: str
    recipient: str
    other: str = ""

    def mate(self, kind: AddressKind) -> str:
        """Return the person's first address of another kind, or nothing."""
        return self.other if self.other.startswith(f"{kind}:") else ""


class Counts(NamedTuple):
    """What a roster holds. ``examples`` are the first refusals, in words and masked."""

    recipients: int
    refused: int
    duplicates: int
    addresses: Mapping[str, int] = MappingProxyType({})
    examples: tuple[str, ...] = ()
    rows: int = 0  #: of the file; a person with two numbers has two


class Roster:
    """A checked audience in a file of its own, which nobody changes any more."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._counts: Counts | None = None

    @property
    def digest(self) -> str:
        """The SHA-256 of the file as it was when the list had been checked, in hex."""
        return self.path.stem[-_DIGEST:]

    def counts(self) -> Counts:
        """Return what the roster holds, without reading its rows."""
        if self._counts is None:
            with _reading(self.path) as db:
                [(raw,)] = db.execute("SELECT value FROM meta WHERE name = 'counts'").fetchall()
            told = json.loads(raw)
            self._counts = Counts(**{**told, "examples": tuple(told["examples"])})
        return self._counts

    def listed(self, kind: AddressKind, *, fallback: AddressKind | None = None) -> str:
        """Return the question to this file for everybody who has an address of a kind, each address once.

        The answer has ``place`` (from 0, in the order of the list), ``address``, ``recipient`` and
        ``fallback``: that person's first address of the kind asked for, if any.
        """
        column, own = _KINDS.get(kind, ("''", 0))
        other = "''"
        if fallback in _KINDS:
            there = _KINDS[fallback][0]
            other = f"CASE {there} WHEN '' THEN '' ELSE '{fallback}:' || {there} END"
        counts = self.counts()
        # Where every row has one, the number of a row is its place, and nobody has to count.
        everybody = counts.addresses.get(kind) == counts.rows
        place = "id" if everybody else "row_number() OVER (ORDER BY id)"
        return (
            f"SELECT {place} - 1 AS place, '{kind}:' || {column} AS address, recipient, {other} AS fallback "  # noqa: S608 - words of ours
            f"FROM entry WHERE own & {own} ORDER BY id"
        )

    def among(self, question: str, addresses: Collection[str]) -> list[tuple[str, str, str]]:
        """Return (address, recipient, fallback) of those who have one of these addresses."""
        if not addresses:
            return []
        with _reading(self.path) as db:
            return db.execute(
                f"SELECT address, recipient, fallback FROM ({question}) "  # noqa: S608 - a question of ours
                "WHERE address IN (SELECT value FROM json_each(?))",
                (json.dumps(list(addresses)),),
            ).fetchall()

    def entries(self, kind: AddressKind, *, among: Collection[str]) -> Iterator[Entry]:
        """Yield those of some addresses (``kind:value``) that are on the list, in its order."""
        other = AddressKind.EMAIL if kind is AddressKind.PHONE else AddressKind.PHONE
        for address, recipient, mate in self.among(self.listed(kind, fallback=other), among):
            yield Entry(address=address, recipient=recipient, other=mate)


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
    known = f"{name}-{mark[:_MARK]}."
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        roster = _kept(directory, known)
        if roster is None:
            roster = _build(source, directory, known, list_path)
            _sweep(directory, name, keep=roster.path)
    except (OSError, sqlite3.Error) as error:
        raise _unkept(directory, error) from error
    return roster


def _kept(directory: Path, known: str) -> Roster | None:
    """Return the roster of a state of a list if it is there and can be read; a damaged one is built anew."""
    for name in os.listdir(directory):  # noqa: PTH208 - a third of what a glob takes
        if name.startswith(known) and name.endswith(_SUFFIX):
            roster = Roster(directory / name)
            with suppress(AudienceProblem, sqlite3.Error, ValueError, TypeError):
                if roster.counts().recipients > 0:
                    return roster
    return None


def _build(source: AudienceSource, directory: Path, known: str, list_path: Path) -> Roster:
    draft = directory / f"{known}{os.getpid()}.draft"
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600))
    db = sqlite3.connect(draft, isolation_level=None)
    try:
        db.executescript(_PRAGMAS + _SCHEMA)
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
        path = directory / f"{known}{_synced(draft)}{_SUFFIX}"
        draft.replace(path)
        return Roster(path)
    finally:
        db.close()
        draft.unlink(missing_ok=True)


def _synced(draft: Path) -> str:
    """Have a file on the disk before it takes its name: a power cut must leave no half a list there.

    Return its digest.
    """
    # Read only when a list has changed.
    from hashlib import sha256

    digest = sha256()
    with draft.open("rb") as file:
        os.fsync(file.fileno())
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _fill(db: sqlite3.Connection, source: AudienceSource) -> Counts:
    # Read only when a list has changed.
    from alerting.audience.clean import Clean

    recipients = refused = 0
    examples: list[str] = []
    rows: list[Row] = []
    for found in source.quick() if isinstance(source, QuickSource) else source.read():
        if isinstance(found, Clean):
            recipients += found.people
            rows += found.rows
        elif isinstance(found, Refused):
            refused += 1
            if len(examples) < _EXAMPLES:
                examples.append(str(found.problem(source.name)))
        else:
            recipients += 1
            rows += _rows(found)
        if len(rows) >= _CHUNK:
            _write(db, rows)
    _write(db, rows)
    doubled = {kind: _drop_doubles(db, *_KINDS[kind]) for kind in _KINDS}
    count, *kinds = db.execute("SELECT count(*), total(own & 1), total(own & 2) / 2 FROM entry").fetchone()
    return Counts(
        recipients=recipients,
        refused=refused,
        duplicates=sum(doubled.values()),
        addresses={str(kind): int(n) for kind, n in zip(_KINDS, kinds, strict=True) if n},
        examples=tuple(examples),
        rows=count,
    )


def _drop_doubles(db: sqlite3.Connection, column: str, own: int) -> int:
    """Leave each address to the first row that has it; return how many rows lost one.

    Sorting is done by the database, in memory of a bounded size: a third of what an index costs that is kept
    up to date with every row. Only addresses are sorted; whose they are is asked for the few that come twice.
    """
    db.execute("DELETE FROM twice")
    db.execute(
        f"INSERT INTO twice SELECT {column} FROM entry WHERE own & {own} "  # noqa: S608 - words of ours
        f"GROUP BY {column} HAVING count(*) > 1"
    )
    if not db.execute("SELECT 1 FROM twice LIMIT 1").fetchall():
        return 0
    return db.execute(
        f"UPDATE entry SET own = own - {own} WHERE id IN ("  # noqa: S608 - words of ours
        f"SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY {column} ORDER BY id) AS nth FROM entry "
        f"WHERE own & {own} AND {column} IN (SELECT address FROM twice)) WHERE nth > 1)"
    ).rowcount


def _rows(person: Recipient) -> Sequence[Row]:
    from alerting.audience.clean import rows_of

    name = person.id or (f"line {person.line}" if person.line else "")
    return rows_of(name, [(address.kind, address.value) for address in person.addresses])


def _write(db: sqlite3.Connection, rows: list[Row]) -> None:
    # A statement for fifty rows costs a little more than half of what fifty statements do.
    cells = chain.from_iterable(islice(rows, len(rows) - len(rows) % _AT_ONCE))
    db.executemany(f"{_ADD}{', (?, ?, ?, ?)' * (_AT_ONCE - 1)}", zip(*[cells] * (4 * _AT_ONCE), strict=True))
    db.executemany(_ADD, rows[len(rows) - len(rows) % _AT_ONCE :])
    rows.clear()


def _plain(counts: Counts) -> dict[str, object]:
    return {
        "recipients": counts.recipients,
        "refused": counts.refused,
        "duplicates": counts.duplicates,
        "addresses": counts.addresses,
        "examples": list(counts.examples),
        "rows": counts.rows,
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
    """Remove rosters of earlier states of the list, and of earlier versions: they are personal data."""
    hexadecimal = "[0-9a-f]"
    mine = f"{re.escape(name)}-{hexadecimal}{{{_MARK}}}(\\.{hexadecimal}{{{_DIGEST}}})?{re.escape(_SUFFIX)}"
    for old in directory.iterdir():
        if old != keep and re.fullmatch(mine, old.name):
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
