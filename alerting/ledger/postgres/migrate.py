"""The shape of the tables on PostgreSQL: numbered files, forward only.

A change widens first and narrows two versions later, so that this version and the one before it work side
by side while hosts are brought up to date one by one. ``-- least: N`` at the head of a file says which
version may still work with what it makes; without it, only its own and later ones. A step that shuts out
versions which could work until then waits until none of them is connected.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from alerting.clock import Clock
from alerting.errors import LedgerUnavailable, Problem
from alerting.ledger.postgres.connection import Connection
from alerting.ledger.postgres.programs import refuse_older, register
from alerting.ledger.postgres.queue import raise_queue, wanted_by
from alerting.ledger.upgraded import newer, note_upgrade, older

_FOLDER: Final = Path(__file__).parent.parent / "migrations" / "postgres"
_FILES: Final = "[0-9][0-9][0-9][0-9]_*.sql"
_LEAST: Final = re.compile(r"^-- least: (\d+)$", re.MULTILINE)


class NoLedgerYet(LedgerUnavailable):
    """There is no ledger here yet."""


def files() -> Sequence[Path]:
    """Return the migrations in order; the last one's number is the version this program writes."""
    return sorted(_FOLDER.glob(_FILES))


def latest() -> int:
    """Return the version this program writes and reads."""
    return len(files())


def version(connection: Connection) -> tuple[int, int]:
    """Return the version of the tables and the oldest program that may use them; (0, 0) for none."""
    ((there,),) = connection.do("SELECT to_regclass('meta') IS NOT NULL")
    if not there:
        return 0, 0
    told = dict(connection.do("SELECT name, value FROM meta WHERE name IN ('schema', 'least')"))
    return int(told["schema"]), int(told["least"])


def admit(connection: Connection, schema: str) -> int:
    """Say which version this program is, and return that of the tables; 0 for none.

    In this order: what is changed after it was looked at waits until this connection is over.

    Raises:
        NewerLedger: the tables were changed by a version that leaves nothing for this one.
    """
    register(connection, schema, latest())
    found, least = version(connection)
    if found > latest() < least:
        raise newer(connection.where, found, latest())
    return found


def bring_up(connection: Connection, schema: str, clock: Clock, *, write: bool, force: bool = False) -> None:
    """Make the tables, or bring them up to date; a reader only looks whether it may read.

    While somebody is sending, tables are changed only with ``force``: whoever sends would wait for it.

    Raises:
        LedgerUnavailable: there is no ledger, it is too new or too old, somebody is sending, programs are
            connected that could not go on, or the rights are missing.
    """
    found = admit(connection, schema)
    if found >= latest():
        return
    if write:
        if found and not force:
            _refuse_busy(connection, found)
        _apply(connection, schema, clock)
    elif not found:
        raise NoLedgerYet(
            Problem(
                where=connection.where,
                what="there is no ledger here yet",
                fix="the first alert or drill makes it; if there was one, check the address",
            )
        )
    else:
        raise older(connection.where, found, latest())


def _refuse_busy(connection: Connection, found: int) -> None:
    ((busy,),) = connection.do(
        "SELECT EXISTS (SELECT FROM batch WHERE state = 'leased' AND lease_until >= %s)", (_now(connection),)
    )
    if busy:
        raise LedgerUnavailable(
            Problem(
                where=connection.where,
                what=f"is of version {found}, we need {latest()}, and an alert is being sent",
                fix="wait for its end, or run `alert ledger upgrade --force`",
            )
        )


def _now(connection: Connection) -> int:
    ((now,),) = connection.do("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
    return int(now)


def _apply(connection: Connection, schema: str, clock: Clock) -> None:
    with connection.transaction():
        # Two hosts may come first: the second waits here, looks again, and finds nothing to do.
        connection.do("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"alerting.{schema}",))
        ((there,),) = connection.do("SELECT to_regnamespace(%s) IS NOT NULL", (f'"{schema}"',))
        if not there:
            connection.do(f'CREATE SCHEMA "{schema}"')
        before, admitted = version(connection)
        steps = files()[before:]
        if not steps:
            return
        texts = [file.read_text("utf-8") for file in steps]
        least = max(admitted, *(_least(file, text) for file, text in zip(steps, texts, strict=True)))
        if before and least > admitted:
            refuse_older(connection, schema, least)
        for text in texts:
            connection.do(text)
            if queue := wanted_by(text):
                raise_queue(connection, queue)
        _note(connection, least)
        if before:
            connection.ahead("lock_audit")
            note_upgrade(connection, clock, before=before, after=latest())


def _least(file: Path, text: str) -> int:
    told = _LEAST.search(text)
    return int(told[1]) if told else int(file.name[:4])


def _note(connection: Connection, least: int) -> None:
    for name, value in (("schema", latest()), ("least", least)):
        connection.do(
            "INSERT INTO meta (name, value) VALUES (%s, %s)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, str(value)),
        )
