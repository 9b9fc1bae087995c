"""One connection to PostgreSQL: named statements in, tuples out, errors told in words.

A round trip to another host costs as much as the statement. So the words around a transaction wait, and
travel with the next statement that somebody wants an answer to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from alerting.errors import LedgerLost, LedgerUnavailable, Problem
from alerting.ledger.database import Taken
from alerting.ledger.postgres.adapt import adapt
from alerting.ledger.postgres.faults import told
from alerting.ledger.postgres.place import Place, fields

if TYPE_CHECKING:
    import psycopg

#: The oldest server that is supported by its makers, and by the queue.
OLDEST: Final = 15
_NUMBER: Final = 10_000
#: A statement of ours is short, except one that ends an alert for millions of people.
_STATEMENT_S: Final = 120
_LOCK_S: Final = 15
#: A process that froze in the middle of a transaction must not hold rows that others need. See ``end_stuck``.
IDLE_S: Final = 10
#: After so many seconds without an answer the network is taken for cut.
_SILENT_S: Final = 10
_ROWS: Final = "unnest("
#: Names a transaction for ever, so that its fate can be asked when the answer to COMMIT was lost.
_NAME: Final = "SELECT pg_current_xact_id()::text"


class Columns(tuple[Any, ...]):
    """Rows turned on their side: one array for each column, as ``unnest`` takes them."""

    __slots__ = ()


class Connection:
    """Named statements over psycopg. Used by one thread."""

    def __init__(self, raw: psycopg.Connection[Any], statements: Mapping[str, str], where: str) -> None:
        self.raw, self.where = raw, where
        self._statements = {name: _ours(text) for name, text in statements.items()}
        self._waiting: list[tuple[str, Sequence[Any]]] = []
        self._last: list[tuple[str, Sequence[Any]]] = []  #: named, for the end of the transaction
        self._name = ""
        self.in_doubt = ""  #: the transaction whose COMMIT was sent and never answered
        self.depth = 0

    @classmethod
    def connect(
        cls, place: Place, statements: Mapping[str, str], *, write: bool, patience: timedelta
    ) -> Connection:
        """Connect, for writing or only for reading.

        Raises:
            LedgerUnavailable: it cannot be reached within ``patience``, is too old, or refuses us.
            MissingExtra: psycopg is not installed.
        """
        where = place.told
        if not fields(place.address):
            raise LedgerUnavailable(
                Problem(
                    where="ledger",
                    what="this is not the address of a PostgreSQL",
                    fix="write it like postgresql://user@host/database",
                )
            )
        import psycopg

        try:
            raw = psycopg.connect(
                place.address.reveal(),
                autocommit=True,
                connect_timeout=max(2, int(patience.total_seconds())),
                application_name="alert",
                keepalives_idle=5,
                keepalives_interval=2,
                keepalives_count=3,
                tcp_user_timeout=_SILENT_S * 1000,
            )
        except psycopg.Error as error:
            raise told(error, where) or error from None
        connection = cls(raw, statements, where)
        try:
            connection.set_up(place, write=write)
        except BaseException:
            connection.close()
            raise
        return connection

    def set_up(self, place: Place, *, write: bool) -> None:
        """Settle what the promises rest on: durable commits, limits of time, our own schema."""
        adapt(self.raw)
        version = self.raw.info.server_version
        if version < OLDEST * _NUMBER:
            raise LedgerUnavailable(
                Problem(
                    where=self.where,
                    what=f"runs PostgreSQL {version // _NUMBER}",
                    fix=f"use {OLDEST} or newer",
                )
            )
        settings = {
            "search_path": f'"{place.schema}"',
            "synchronous_commit": "on",
            "statement_timeout": f"{_STATEMENT_S}s",
            "lock_timeout": f"{_LOCK_S}s",
            "idle_in_transaction_session_timeout": f"{IDLE_S}s",
            # A host that is cut off says nothing: unless the server asks, its locks are kept for hours.
            "tcp_keepalives_idle": "5",
            "tcp_keepalives_interval": "2",
            "tcp_keepalives_count": "3",
            "default_transaction_read_only": "off" if write else "on",
        }
        for name, value in settings.items():
            self.said_ahead("SELECT set_config(%s, %s, false)", (name, value))
        standby = self.standby
        if write and standby is not None:
            raise standby

    @property
    def standby(self) -> LedgerLost | None:
        """What to tell whoever wants to write here: nothing, unless this follows another server."""
        ((follows,),) = self.do("SELECT pg_is_in_recovery()")
        if not follows:
            return None
        return LedgerLost(
            Problem(
                where=self.where,
                what="is a standby, which cannot be written",
                fix="name the primary, or all hosts and target_session_attrs=read-write",
            )
        )

    # -- statements -------------------------------------------------------------------------------

    def do(self, text: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement given as text (or several without parameters), and return its rows."""
        cursor = self._send(text, params)
        return cursor.fetchall() if cursor.description else []

    def asked(self, text: str, given: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Run a statement of somebody else's, with named parameters, and return its rows by column."""
        cursor = self._send(text, given)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()] if names else []

    def ahead(self, name: str, params: Sequence[Any] = ()) -> None:
        """Run a named statement before the next one, without an answer: a lock to take first."""
        self.said_ahead(self._statements[name], params)

    def said_ahead(self, text: str, params: Sequence[Any] = ()) -> None:
        """Run a statement given as text before the next one, without an answer."""
        self._waiting.append((text, params))

    def all(self, name: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a named statement and return every row."""
        return self._run(name, params).fetchall()

    def one(self, name: str, params: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """Run a named statement and return its first row, or None."""
        return cast("tuple[Any, ...] | None", self._run(name, params).fetchone())

    def run(self, name: str, params: Sequence[Any] = ()) -> int:
        """Run a named statement and return how many rows it changed."""
        return self._run(name, params).rowcount

    def many(self, name: str, rows: Iterable[Sequence[Any]]) -> int:
        """Run a named statement for each row and return how many rows it changed."""
        text, given = self._statements[name], list(rows)
        if not given:
            return 0
        if _ROWS in text:
            return max(0, self._send(text, _columns(given)).rowcount)
        return sum(max(0, self._send(text, row).rowcount) for row in given)

    def at_last(self, name: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a named statement for all rows in one round trip with the commit: others want the same row.

        A row that every host counts in is then locked for as long as a commit takes, and not while this
        process does something else, stands still, or waits for the network.
        """
        if self.depth:
            self._last += [(name, row) for row in rows]
        else:
            self.many(name, rows)

    def _run(self, name: str, params: Sequence[Any]) -> psycopg.Cursor[Any]:
        text = self._statements[name]
        if len(params) == 1 and isinstance(params[0], Columns):
            params = params[0]
        elif _ROWS in text:
            params = [[value] for value in params]
        return self._send(text, params)

    def _send(self, text: str, params: Sequence[Any] | Mapping[str, Any]) -> psycopg.Cursor[Any]:
        import psycopg

        waiting, self._waiting = self._waiting, []
        try:
            if not waiting:
                return self.raw.execute(text, params or None)
            with self.raw.pipeline():
                sent = [self.raw.execute(ahead, given or None) for ahead, given in waiting]
                cursor = self.raw.execute(text, params or None)
            for (ahead, _), answer in zip(waiting, sent, strict=True):
                if ahead is _NAME:
                    ((self._name,),) = answer.fetchall()
        except psycopg.Error as error:
            raise told(error, self.where) or error from error
        return cursor

    def ids(self, numbers: Iterable[int]) -> list[int]:
        """Return a list of ids as an array."""
        return list(numbers)

    def taken(self, rows: Iterable[Taken]) -> Columns:
        """Return accepted rows as one array for each column."""
        return _columns(rows)

    # -- transactions -----------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit on leaving, roll back on an error. A nested one is a savepoint.

        One in which nothing was asked is never heard of by the server.
        """
        name = f"part_{self.depth}"
        opens = (f"SAVEPOINT {name}" if self.depth else "BEGIN", ())
        self._waiting += [opens] if self.depth else [opens, (_NAME, ())]
        last = len(self._last)
        self.depth += 1
        try:
            yield
            if self.depth == 1:
                self._send_last()
            if opens in self._waiting:
                del self._waiting[self._waiting.index(opens) :]
            elif self.depth > 1:
                self._waiting.append((f"RELEASE {name}", ()))
            else:
                self._commit()
        except BaseException:
            del self._last[last:]
            self._undo(opens, name)
            raise
        finally:
            self.depth -= 1

    def _send_last(self) -> None:
        """Have what was left to the end travel with the commit, in one order: nobody locks crosswise."""
        last, self._last = self._last, []
        for name in sorted({name for name, _ in last}):
            rows = [row for named, row in last if named == name]
            self._waiting.append((self._statements[name], _columns(rows)))

    def _commit(self) -> None:
        self.in_doubt = self._name
        try:
            self._send("COMMIT", ())
        except LedgerLost:
            raise
        except BaseException:
            self.in_doubt = ""
            raise
        self.in_doubt = ""

    def kept(self, name: str) -> bool | None:
        """Say whether a transaction in doubt was kept; None while the server does not know yet."""
        import psycopg

        try:
            ((fate,),) = self.do("SELECT pg_xact_status(%s::text::xid8)", (name,))
        except psycopg.Error:  # another server took over, and never heard of it
            return False
        return None if fate == "in progress" else bool(fate == "committed")

    def _undo(self, opens: tuple[str, Sequence[Any]], name: str) -> None:
        if opens in self._waiting:
            del self._waiting[self._waiting.index(opens) :]
            return
        self._waiting.clear()
        try:
            for undo in (f"ROLLBACK TO {name}", f"RELEASE {name}") if self.depth > 1 else ("ROLLBACK",):
                self._send(undo, ())
        except LedgerLost:
            pass  # the server rolls back what its client has left

    def close(self) -> None:
        """Give the connection back; may be called twice."""
        self.raw.close()


def _columns(rows: Iterable[Sequence[Any]]) -> Columns:
    return Columns(map(list, zip(*rows, strict=True)))


def _ours(text: str) -> str:
    return text.replace("%", "%%").replace("?", "%s")
