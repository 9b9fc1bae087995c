"""Forgetting people when their time is over, and nothing else.

Counts, texts, times, reasons and the log stay for as long as the campus wants; addresses, names of
people, the providers' words about them and copies of lists go. Stand-ins take their place, so that
``alert audit verify`` still finds everything as it was sealed. Who asked a channel to stop stays on
the register: that wish has to be honoured for longer than any alert is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from alerting.audit.people import ERASED, StandIns, erased_address, is_person
from alerting.audit.signer import stand_in_key
from alerting.clock import micros
from alerting.errors import LedgerBusy, Problem
from alerting.ledger.forgetting import FORGOTTEN, Forgetter, Person, Words

if TYPE_CHECKING:
    from alerting.app import App
    from alerting.ledger.base import Ledger, LedgerReader
    from alerting.ledger.postgres.forgetting import SharedForgetter
    from alerting.ledger.rows import Actor
    from alerting.ledger.scrutiny import DeliveryRow
    from alerting.ledger.writer import GroupWriter

T = TypeVar("T")

_ALL: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What is older than the time people's data is kept: alerts by id, and copies of lists."""

    days: int
    before: datetime
    alerts: tuple[str, ...]
    rosters: tuple[Path, ...]
    replies: int
    orphans: bool = False  #: whether receipts that never found their message are kept

    @property
    def anything(self) -> bool:
        """Whether there is anything to forget."""
        return bool(self.alerts or self.rosters or self.replies or self.orphans)

    def told(self) -> dict[str, Any]:
        """Return it for scripts."""
        return {
            "days": self.days,
            "before": self.before.isoformat(),
            "alerts": list(self.alerts),
            "rosters": [path.name for path in self.rosters],
            "replies": self.replies,
        }

    def lines(self, *, done: bool) -> Iterator[str]:
        """Return it for people."""
        verb = "Forgotten" if done else "Would be forgotten"
        if not (self.alerts or self.rosters or self.replies):
            yield f"Nothing is older than {self.days} days: nobody to forget."
            return
        for alert_id in self.alerts:
            yield f"{verb}: the people of {alert_id}"
        for path in self.rosters:
            yield f"{verb}: the copy of a list {path.name}"
        if self.replies:
            yield f"{verb}: {self.replies:,} {'reply' if self.replies == 1 else 'replies'}"


def forgettable(app: App, *, days: int) -> Retention:
    """Return what is older than ``days``: settled alerts, copies of lists, replies. Changes nothing."""
    before = app.clock.now() - timedelta(days=days)
    ledger = app.own_reader()
    alerts: tuple[str, ...] = ()
    replies, orphans = 0, False
    if ledger is not None:
        try:
            alerts = tuple(_old(ledger, before))
            replies = sum(
                1
                for reply in ledger.replies()
                if reply.at < micros(before) and not reply.address.startswith(ERASED)
            )
            orphans = bool(ledger.orphans())
        finally:
            ledger.close()
    return Retention(
        days=days,
        before=before,
        alerts=alerts,
        rosters=tuple(_rosters(app.state, before)),
        replies=replies,
        orphans=orphans,
    )


def _old(ledger: LedgerReader, before: datetime) -> Iterator[str]:
    for record in reversed([*ledger.alerts(limit=_ALL), *ledger.notices(limit=_ALL)]):
        settled = record.settled_at
        if settled is None or settled >= before:
            continue
        if not any(act.action == FORGOTTEN for act in ledger.audit(record.alert.id)):
            yield record.alert.id


def _rosters(state: Path, before: datetime) -> Iterator[Path]:
    folder = state / "audiences"
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.is_file() and path.stat().st_mtime < before.timestamp():
            yield path


def forget(app: App, plan: Retention, *, actor: Actor) -> int:
    """Forget what was planned; return how many deliveries lost their person.

    Raises:
        LedgerBusy: an alert is being sent, or ``alert serve`` runs: stop it, or ask again later.
        LedgerUnavailable: the ledger or the key of stand-ins cannot be used.
    """
    key = stand_in_key(app.state)
    assert key is not None
    at, changed = micros(app.clock.now()), 0
    with app.turn():
        ledger = app.forgetter()
        try:
            for alert_id in plan.alerts:
                changed += _forget_alert(ledger, StandIns(key=key, alert_id=alert_id), actor, at)
            hide = StandIns(key=key, alert_id="reply")
            if plan.replies:
                ledger.forget_replies(micros(plan.before), hide.erased_reply, actor=actor, at=at)
            ledger.forget_orphans(micros(plan.before))
            ledger.wipe()
        finally:
            ledger.close()
        for path in plan.rosters:
            path.unlink(missing_ok=True)
    return changed


def forget_beside(app: App, writer: GroupWriter, plan: Retention, *, actor: Actor) -> int:
    """Forget what was planned while the ledger is owned and in use; return how many lost their person.

    In parts of at most 500 people, with room between them for everybody else, and only while no alert is
    being sent. What is left when one begins is forgotten the next time.

    Raises:
        LedgerBusy: an alert is being sent.
        LedgerUnavailable: the ledger or the key of stand-ins cannot be used.
    """
    key = stand_in_key(app.state)
    assert key is not None
    at, before, changed = micros(app.clock.now()), micros(plan.before), 0

    def run(change: Callable[[Forgetter], T]) -> T:
        return writer.submit(lambda ledger: change(_at_rest(ledger))).result()

    for alert_id in plan.alerts:
        person, words = _stand_ins(StandIns(key=key, alert_id=alert_id))
        lost = 0
        for part in run(partial(Forgetter.parts, alert_id=alert_id)):
            lost += run(partial(Forgetter.forget_part, batch=part, person=person, words=words))
        rest = partial(Forgetter.forget_rest, alert_id=alert_id, words=words, changed=lost)
        run(partial(rest, actor=actor, at=at))
        changed += lost
    hide = StandIns(key=key, alert_id="reply").erased_reply
    if plan.replies:
        run(lambda ledger: ledger.forget_replies(before, hide, actor=actor, at=at))
    run(lambda ledger: ledger.forget_orphans(before))
    writer.between(lambda ledger: Forgetter.over(ledger).wipe()).result()
    for path in plan.rosters:
        path.unlink(missing_ok=True)
    return changed


def _at_rest(ledger: Ledger) -> Forgetter:
    if ledger.unsettled():
        what = "an alert is being sent; what is not forgotten yet is kept"
        raise LedgerBusy(Problem(where="audit retain", what=what, fix="ask again when it has come to rest"))
    return Forgetter.over(ledger)


def _forget_alert(ledger: Forgetter | SharedForgetter, hide: StandIns, actor: Actor, at: int) -> int:
    person, words = _stand_ins(hide)
    return ledger.forget_alert(hide.alert_id, person, words, actor=actor, at=at)


def _stand_ins(hide: StandIns) -> tuple[Person, Words]:
    """Return what takes the place of a person, and of words about them."""

    def person(row: DeliveryRow) -> str:
        return erased_address(row.address, hide.person(row)) if is_person(row.address) else ""

    def words(detail: str) -> str:
        return f"{ERASED}{hide.words(detail)}"

    return person, words
