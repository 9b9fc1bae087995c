"""Forgetting people when their time is over: by a command, and by the schedule of ``alert serve``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from alerting.audit.retention import Retention, forget, forget_beside, forgettable
from alerting.errors import LedgerBusy, words_of
from alerting.gate import admit
from alerting.ledger.rows import Actor

if TYPE_CHECKING:
    from alerting.app import App
    from alerting.ledger.writer import GroupWriter

#: Who the audit names for what the schedule forgot.
ACTOR: Final = Actor(name="retention", origin="audit.retain_days")
#: A look costs little, and what an alert has put off is not put off for a day.
LOOK_S: Final = 3600.0
#: The first look: long after the lanes have begun with what was interrupted.
_SOON_S: Final = 60.0
_ANSWER_S: Final = 3600.0


def retain(app: App, *, days: int, actor: Actor) -> Retention:
    """Forget people of what came to rest more than ``days`` ago, here or by the owner of the ledger.

    Raises:
        NotAllowed: the actor has no role for it.
        LedgerBusy: an alert is being sent, or the owner does not answer.
    """
    said = {"verb": "retain", "days": days, "actor": actor.name, "origin": actor.origin, "token": app.token}
    admitted = admit(app.config, said)
    plan = forgettable(app, days=days)
    if plan.anything:
        try:
            forget(app, plan, actor=Actor(name=admitted["actor"], origin=admitted["origin"]))
        except LedgerBusy:
            _ask(app, said)
    return plan


def _ask(app: App, said: Mapping[str, Any]) -> None:
    from alerting.engine.control import ask, raise_refusal

    raise_refusal(ask(app.state, said, timeout=_ANSWER_S))


async def answer(app: App, told: Mapping[str, Any], *, writer: GroupWriter) -> dict[str, Any]:
    """Do what a command asked the owner for.

    Raises:
        LedgerBusy: an alert is being sent.
        KeyError, TypeError, ValueError: it is no such request.
    """
    actor = Actor(name=str(told["actor"]), origin=str(told["origin"]))
    return {"ok": True, "deliveries": await asyncio.to_thread(_beside, app, writer, int(told["days"]), actor)}


def _beside(app: App, writer: GroupWriter, days: int, actor: Actor) -> int:
    if days < 1:
        raise ValueError(days)
    plan = forgettable(app, days=days)
    if not plan.anything:
        return 0
    if app.shared is not None:
        return forget(app, plan, actor=actor)
    return forget_beside(app, writer, plan, actor=actor)


async def run_retention(
    app: App, writer: GroupWriter, *, first_s: float = _SOON_S, look_s: float = LOOK_S
) -> None:
    """Forget what is old, now and then, for as long as ``audit.retain_days`` says; never while sending."""
    wait = first_s
    while True:
        await asyncio.sleep(wait)
        wait = look_s
        days = app.config.retain_days
        if days is None:
            continue
        try:
            lost = await asyncio.to_thread(_beside, app, writer, days, ACTOR)
        except LedgerBusy:
            continue
        except Exception as error:  # noqa: BLE001 - no look may end the lanes it runs beside
            app.log.warning("people.kept", error=words_of(error))
        else:
            if lost:
                app.log.info("people.forgotten", deliveries=lost, days=days)


@asynccontextmanager
async def retaining(app: App, writer: GroupWriter) -> AsyncIterator[None]:
    """Forget beside whatever else a process does; it stops on leaving, between two parts."""
    task = asyncio.create_task(run_retention(app, writer))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
