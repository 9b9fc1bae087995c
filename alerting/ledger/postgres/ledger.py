"""The shared ledger: PostgreSQL, written by any number of processes on any number of hosts.

The rooms are those of the embedded ledger. What differs is that others write at the same time, so
whatever is looked at in order to be changed is locked first, always in one order: batches by their number,
then their rows and counters, then the alert, then the audit log, and last, with the commit itself, what all
hosts count in. Two that meet in another order after all are told so by the database, and one of them repeats
its transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

from alerting.clock import Clock
from alerting.ledger import statements
from alerting.ledger.audit import row_after
from alerting.ledger.codec import canonical
from alerting.ledger.drilling import Drilling
from alerting.ledger.matching import row_named
from alerting.ledger.postgres.clock import ServerClock
from alerting.ledger.postgres.connection import IDLE_S, Connection
from alerting.ledger.postgres.jobs import PostgresJobs
from alerting.ledger.postgres.migrate import admit, bring_up
from alerting.ledger.postgres.place import Place
from alerting.ledger.postgres.sharing import Speakers
from alerting.ledger.reading import STRIDE
from alerting.ledger.receiving import Receiving
from alerting.ledger.rows import Actor, Applied, AuditRow, Batch, Cancelled, Share
from alerting.ledger.working import Fence
from alerting.model.delivery import State
from alerting.model.receipt import Receipt
from alerting.named import NamedTuple

_PATIENCE: Final = timedelta(seconds=5)
#: How often whoever finds nothing to take up looks for others that stand still, in seconds.
_SWEEP_S: Final = 2.0
_NOW: Final = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
#: How often the time is asked for until an answer comes promptly.
_TIMES_ASKED: Final = 3


class _Act(NamedTuple):
    """An act that waits for the end of its transaction, where it gets its number."""

    action: str
    subject: str
    body: Mapping[str, object]
    actor: Actor
    at: int
    monotonic: float


class PostgresLedger(Receiving, Drilling):
    """The ledger port over one PostgreSQL connection, for the thread that opened it."""

    def __init__(self, connection: Connection, clock: Clock, place: Place) -> None:
        super().__init__(connection, clock)
        self._connection, self._place = connection, place
        self._acts: list[_Act] = []
        self._ready: list[int] = []  #: batches that wait for whoever takes them, from this transaction on
        self._swept_at = float("-inf")
        self._learn()

    @classmethod
    def open(
        cls,
        place: Place,
        *,
        write: bool = True,
        clock: Clock,
        patience: timedelta = _PATIENCE,
        force: bool = False,
    ) -> PostgresLedger:
        """Connect to the ledger at ``place``; for writing, make its tables or bring them up to date first.

        ``patience`` is how long to wait for the server to answer. With ``force`` the tables are brought up
        to date even while an alert is being sent.

        Raises:
            LedgerUnavailable: unreachable, too old, read-only, without rights or connections left, of a
                newer version, or, for a reader, not there yet.
            LedgerDamaged: tables are missing or damaged.
            MissingExtra: psycopg is not installed.
        """
        named = statements.load("postgres")
        connection = Connection.connect(place, named, write=write, patience=patience)
        try:
            bring_up(connection, place.schema, clock, write=write, force=force)
        except BaseException:
            connection.close()
            raise
        return cls(connection, clock, place)

    def _learn(self) -> None:
        clock = self._clock
        if not isinstance(clock, ServerClock):
            return
        for _ in range(_TIMES_ASKED):
            asked = clock.monotonic()
            ((now,),) = self._connection.do(_NOW)
            if clock.learn(now, asked=asked):
                return

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit on leaving, roll back on an error. A nested one is a savepoint."""
        kept, ready = len(self._acts), len(self._ready)
        try:
            with self._connection.transaction():
                yield
                if self._connection.depth == 1:
                    self._defer_jobs()
                    self._write_acts()
        except BaseException:
            del self._acts[kept:], self._ready[ready:]
            raise

    @property
    def in_doubt(self) -> bool:
        """Whether nobody knows yet if the last transaction was kept."""
        return bool(self._connection.in_doubt)

    def mend(self, *, patience: timedelta = _PATIENCE) -> bool | None:
        """Connect anew after the connection was lost; say whether the last transaction was kept.

        None when the server cannot tell yet: ask again.

        Raises:
            NewerLedger: it was changed meanwhile, and this program must leave it alone.
            LedgerUnavailable: it still cannot be reached, or not be written.
        """
        doubt = self._connection.in_doubt
        self._connection.close()
        named = statements.load("postgres")
        fresh = Connection.connect(self._place, named, write=True, patience=patience)
        try:
            admit(fresh, self._place.schema)
        except BaseException:
            fresh.close()
            raise
        fresh.in_doubt = doubt
        self._db = self._connection = fresh
        kept = fresh.kept(doubt) if doubt else False
        self._learn()
        if kept is not None:  # and only now: whoever lost the connection once more asks again
            fresh.in_doubt = ""
        return kept

    def close(self) -> None:
        """Give the connection back; may be called twice."""
        self._connection.close()

    def first_to(self, word: str) -> bool:
        """Say whether nobody else is doing this until this connection is closed."""
        ((first,),) = self._db.all("be_first", (word,))
        return bool(first)

    def described(self) -> str:
        """Return in words what this ledger is: its version and its server's."""
        info = self._connection.raw.info
        ((found,),) = self._db.all("fact", ("schema",))
        return f"schema {found}, PostgreSQL {info.server_version // 10_000}.{info.server_version % 10_000}"

    def remember(self, name: str, value: str) -> str:
        """Keep a fact about the ledger unless it is known already; return what is known."""
        self._db.run("keep_fact", (name, value))
        ((known,),) = self._db.all("fact", (name,))
        return str(known)

    def speak(
        self, channel: str, *, owner: str, until_s: float, renew: bool, over: bool = False
    ) -> Share | None:
        """Return this owner's share of a channel; None when it was not heard of for too long."""
        speakers = Speakers(self._db, self._clock)
        if renew and not speakers.go_on(channel, owner, until_s):
            self.alone(f"speaking on {channel}")
            speakers.join(channel, owner, until_s)
        if over:
            speakers.hold(channel, owner)
        return speakers.share(channel, owner)

    def fall_silent(self, channel: str, *, owner: str) -> None:
        """Leave: the others may take this owner's part a moment later."""
        Speakers(self._db, self._clock).leave(channel, owner)

    # -- the queue --------------------------------------------------------------------------------

    @property
    def jobs(self) -> PostgresJobs:
        """The jobs of its batches."""
        return PostgresJobs(self._connection, self._waits)

    def _waits(self, batch: int) -> None:
        self._ready.append(batch)

    def _defer_jobs(self) -> None:
        """Queue one job for each batch that waits now, in the transaction that made it wait."""
        ready, self._ready = self._ready, []
        if ready:
            self.jobs.defer(ready)

    def _end_waiting(self, alert: int, state: State, *, reason: str, at: int) -> int:
        ended = super()._end_waiting(alert, state, reason=reason, at=at)
        if ended:
            self.jobs.drop(alert)
        return ended

    # -- the audit log ----------------------------------------------------------------------------

    def record_act(
        self, action: str, subject: str, body: Mapping[str, object], *, actor: Actor, at: int
    ) -> None:
        """Append to the audit log what an actor did, at the end of the transaction.

        The log is one chain, so only one may add to it at a time; until then it is nobody's. Personal
        data does not belong in ``body``.
        """
        canonical(body)  # what cannot be written is refused here, to whoever says it
        self._acts.append(_Act(action, subject, body, actor, at, self._clock.monotonic()))

    def audit(self, subject: str = "", *, after: int = 0) -> Iterator[AuditRow]:
        """Stream audit rows in order, of one subject or all, after a number; this transaction's own too."""
        if self._acts:
            self._write_acts()
        return super().audit(subject, after=after)

    def _write_acts(self) -> None:
        acts, self._acts = self._acts, []
        if not acts:
            return
        self._connection.ahead("lock_audit")
        found = self._db.one("audit_head")
        head = (found[0], found[1]) if found else None
        rows = []
        for act in acts:
            row = row_after(
                head, act.action, act.subject, act.body, actor=act.actor, at=act.at, monotonic=act.monotonic
            )
            rows.append(row)
            head = (row.seq, row.hash)
        self._db.many("add_audit", rows)

    # -- what others left -------------------------------------------------------------------------

    def lease(
        self, channel: str, *, owner: str, at: int, until: int, skip: Iterable[int] = (), only: int = 0
    ) -> Batch | None:
        """Take a batch; where there is none, end whoever stands still and holds one locked.

        The server would end it by itself (``idle_in_transaction_session_timeout``), but forgets to when the
        last thing it read was a Flush, which psycopg sends behind statements that travelled together.
        """
        batch = super().lease(channel, owner=owner, at=at, until=until, skip=skip, only=only)
        now = self._clock.monotonic()
        if batch is None and now - self._swept_at >= _SWEEP_S:
            self._swept_at = now
            self._db.all("end_stuck", (IDLE_S,))
        return batch

    # -- what is locked before it is looked at ----------------------------------------------------

    def alone(self, word: str) -> None:
        """From here to the end of the transaction nobody else is in this place with the same word."""
        self._connection.ahead("lock_word", (word,))

    def _fence(self, batch: int) -> Fence:
        self._connection.ahead("lock_batch", (batch,))
        return super()._fence(batch)

    def _look(self, delivery: int) -> tuple[Any, ...] | None:
        self._connection.ahead("lock_batch", (delivery // STRIDE,))
        return super()._look(delivery)

    def apply(self, receipts: Sequence[Receipt], *, at: int) -> Applied:
        """Keep receipts and move their rows; a repeat changes nothing."""
        named = (row_named(receipt.key.partition(".")[2]) for receipt in receipts)
        batches = sorted({row // STRIDE for row in named if row is not None})
        self._connection.ahead("lock_batches", (batches,))
        return super().apply(receipts, at=at)

    def cancel(self, alert_id: str, *, actor: Actor, at: int, reason: str = "cancelled") -> Cancelled:
        """Stop what has not left. From this commit no claim of the alert succeeds."""
        self._connection.ahead("lock_open_batches", (alert_id,))
        return super().cancel(alert_id, actor=actor, at=at, reason=reason)

    def settle_alert(self, alert_id: str, *, at: int) -> bool:
        """Stamp an alert whose deliveries are all settled; return whether it is.

        Whoever settles its last rows elsewhere waits for this, and then sees these.
        """
        self._connection.ahead("lock_alert", (alert_id,))
        settled = super().settle_alert(alert_id, at=at)
        if settled:
            self.jobs.drop(self._head(alert_id).ref)
        return settled
