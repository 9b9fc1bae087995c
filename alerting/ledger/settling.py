"""What became of attempts: each result is kept, and moves its row when it still may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from alerting.ledger.database import Taken
from alerting.ledger.moves import Moves
from alerting.ledger.reading import span
from alerting.ledger.rows import Batch, Settled
from alerting.ledger.working import Fence, Working
from alerting.model.delivery import SETTLED, TAKEN, TRANSITIONS, Event, State
from alerting.named import NamedTuple


def _reach() -> Mapping[str, frozenset[State]]:
    """Return where a result may move a row from each state: the table of transitions, and three more.

    A settled row stays. A claim is not a result. What may wait may also end at once (expired,
    cancelled), or go on waiting until another time; what is being looked up may go on being so.
    """
    reach: dict[State, set[State]] = {state: set() for state in State}
    for (state, event), after in TRANSITIONS.items():
        if state not in SETTLED and event is not Event.CLAIM:
            reach[state].add(after)
    reach[State.PENDING].add(State.PENDING)
    reach[State.UNCERTAIN].add(State.UNCERTAIN)
    for states in reach.values():
        if State.PENDING in states:
            states |= {State.EXPIRED, State.CANCELLED}
    return {state: frozenset(states) for state, states in reach.items()}


#: Where a result may move a row from each state.
REACH: Final = _reach()


#: What a look-up that found a message is recorded as.
FOUND: Final = "found"
#: Microseconds before an alert from which on what others adopted is looked at.
_LATELY: Final = 24 * 3600 * 1_000_000
_ACCEPTED: Final = State.ACCEPTED
_CANCELLED: Final = State.CANCELLED
_PENDING: Final = State.PENDING
_UNCERTAIN: Final = State.UNCERTAIN
#: What fits the digits an accepted row travels with.
_ATTEMPTS: Final = 10**4
_INSTANTS: Final = 10**16
#: A state as the database takes it without a second look: a plain string.
_WORDS: Final = {state: str(state.value) for state in State}


class _Current(NamedTuple):
    """A row as it stands when a result arrives; the state as its word."""

    state: str
    attempt: int
    told: int
    twice: int
    reason: str


class Settling(Working):
    """Records results."""

    def settle(self, batch: Batch, results: Sequence[Settled]) -> int:
        """Record what became of rows, fenced by epoch and attempt; return how many it changed.

        Every result is kept. It moves its row when it belongs to the row's last attempt, the batch
        has not passed to another owner, and the move is one a result may make. One thing is believed
        from a former owner: that the attempt everybody is looking for was accepted. An acceptance that
        comes too late and names another message marks the row as maybe sent twice. A message that a
        look-up found is one delivery's: to the next that takes it for its own nothing happens.
        """
        if not results:
            return 0
        if len({result.id for result in results}) < len(results):
            return sum(self.settle(batch, (result,)) for result in results)
        fence = self._fence(batch.id)
        taken = _taken(batch, results) if fence.epoch == batch.epoch else None
        if not taken:
            return self._settle_each(batch, fence, results)
        other = self._take(batch, fence, taken)
        left = [result for result in results if result.id in other] if other else ()
        return len(taken) - len(left) + self._settle_each(batch, fence, left)

    def _settle_each(self, batch: Batch, fence: Fence, results: Sequence[Settled]) -> int:
        """Record what became of rows of which each is looked at; return how many were changed."""
        if not results:
            return 0
        run = _Run(batch, fence)
        ids = self._db.ids(result.id for result in results)
        rows = {number: rest for number, *rest in self._db.all("rows_of", (ids, *span(batch.id)))}
        for result in results:
            if result.id not in rows:
                raise ValueError(f"delivery {result.id} is not one of batch {batch.id}")
            row = _Current(*rows[result.id])
            if self._adopted(result, fence):
                continue
            if run.applies(row, result):
                run.apply(row, result)
            else:
                run.keep(row, result, another=self._another(row, result))
        self._db.many("settle_row", run.changed)
        self._db.many("hear_late", run.late)
        self._db.many("add_outcome", run.heard)
        run.moves.write(self._db)
        return len(run.changed)

    def _take(self, batch: Batch, fence: Fence, taken: Sequence[Taken]) -> set[int]:
        """Record first attempts that were accepted; return those that are another case, left alone.

        Nearly every delivery ends so, and needs no look at its row: the fence stands in the statement.
        Nothing is done that could have to be taken back, for which SQLite would copy each page first.
        """
        told, other = self._db.taken(taken), set[int]()
        if self._db.run("accept_rows", (told,)) < len(taken):
            # What has just been accepted is what nothing was heard of yet.
            ids = self._db.ids(row[0] for row in taken)
            new = {number for (number,) in self._db.all("newly_accepted", (ids,))}
            other = {row[0] for row in taken} - new
            taken = [row for row in taken if row[0] in new]
            told = self._db.taken(taken)
        if taken:
            self._db.run("add_accepted", (told,))
        moves = Moves(batch.id, fence.alert, fence.channel, fence.accepted_at)
        moves.add(State.SENDING, "", _ACCEPTED, "", rows=len(taken))
        moves.take_all([at for _, _, at, _ in taken])
        moves.write(self._db)
        return other

    def _adopted(self, result: Settled, fence: Fence) -> bool:
        """Say whether a message that was found belongs to another delivery already; it cannot be both."""
        if result.outcome != FOUND or not result.provider_id:
            return False
        self.alone(f"adopting {result.provider_id}")
        channel, address = self._db.one("address_of", (result.id,)) or ("", "")
        since = fence.accepted_at - _LATELY
        return result.provider_id in self.known_to(channel, address, besides=result.id, since=since)

    def _another(self, row: _Current, late: Settled) -> bool:
        """Say whether a late acceptance is of another message than the one the row knows of."""
        if late.state not in TAKEN:
            return False
        provider_id, attempt = self._db.one("decided_by", (late.id,)) or ("", 0)
        if late.provider_id or provider_id:
            return bool(late.provider_id != provider_id)
        return bool(row.state in TAKEN and attempt != late.attempt)


def _taken(batch: Batch, results: Sequence[Settled]) -> Sequence[Taken] | None:
    """Return results as they travel when all of them are plain acceptances, else None."""
    first, last = span(batch.id)
    taken: list[Taken] = []
    for number, attempt, state, outcome, at, _, name, permalink, reason, detail, twice in results:
        if state is not _ACCEPTED or not first <= number <= last or outcome != "accepted":
            return None
        if permalink or reason or detail or twice or attempt >= _ATTEMPTS or not 0 <= at < _INSTANTS:
            return None
        taken.append((number, attempt, at, name))
    return taken


class _Run:
    """The rows one call writes, gathered so that each statement runs once."""

    def __init__(self, batch: Batch, fence: Fence) -> None:
        self.moves = Moves(batch.id, fence.alert, fence.channel, fence.accepted_at)
        self.changed: list[tuple[Any, ...]] = []
        self.late: list[tuple[Any, ...]] = []
        self.heard: list[tuple[Any, ...]] = []
        self._ours = fence.epoch == batch.epoch
        self._stopped = fence.cancel_reason if fence.cancelled_at else ""

    def applies(self, row: _Current, result: Settled) -> bool:
        """Say whether a result may move its row."""
        if result.attempt != row.attempt or result.state not in REACH[row.state]:
            return False
        return self._ours or (row.state == _UNCERTAIN and result.state is _ACCEPTED)

    def apply(self, row: _Current, result: Settled) -> None:
        """Move a row; what would wait again although its alert was cancelled is cancelled."""
        number, attempt, state, outcome, at, due_at, provider_id, permalink, reason, detail, twice = result
        old, _, told, was_twice, old_reason = row
        if state is _PENDING and self._stopped:
            state, reason, due_at = _CANCELLED, self._stopped, 0
        if old == _PENDING:
            # What a waiting row is told is not about an attempt: that one has its own answer already.
            attempt = 0
        told += 1
        self.changed.append(
            (_WORDS[state], due_at, at, told, told, 1 if twice else was_twice, reason, number)
        )
        self.heard.append((number, told, attempt, at, outcome, provider_id, permalink, reason, detail))
        self.moves.add(old, old_reason, state, reason)
        if detail:
            self.moves.explain(state, reason, detail)
        if state in TAKEN:
            self.moves.take(old, at)

    def keep(self, row: _Current, late: Settled, *, another: bool) -> None:
        """Keep a result that moves nothing."""
        told = row.told + 1
        self.late.append((told, 1 if another else row.twice, late.id))
        self.heard.append(
            (
                late.id,
                told,
                late.attempt,
                late.at,
                late.outcome,
                late.provider_id,
                late.permalink,
                late.reason,
                late.detail,
            )
        )
