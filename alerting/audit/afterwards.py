"""What follows when something has happened: follow-ups wait, the record is sealed, the feed is written."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from alerting.audit.acts import Act, write
from alerting.audit.signer import has_keys
from alerting.clock import micros
from alerting.errors import words_of
from alerting.ledger.rows import Actor

if TYPE_CHECKING:
    from alerting.app import App
    from alerting.ledger.base import LedgerReader
    from alerting.ledger.writer import GroupWriter

_BY_ITSELF = Actor(name="alert", origin="by itself")


def afterwards(app: App, writer: GroupWriter, *, keys: bool = True) -> None:
    """Render what may follow, seal what has come to rest, sign the head, write the feed; never raises.

    Whoever seals a shared record first has the keys it is sealed with for ever. ``keys`` says whether this
    process may make them: a worker's directory may be gone with it.

    Nothing here may hold up an alert, or stop one.
    """
    try:
        ledger = app.own_reader()
    except Exception as error:  # noqa: BLE001 - as promised
        _told(app, "audit.failed", error)
        return
    if ledger is None:
        return
    try:
        if ledger.first_to("afterwards"):  # else another host is about it
            _prepare(app, ledger, writer)
            _seal(app, ledger, writer, keys=keys)
            _publish(app, ledger)
    except Exception as error:  # noqa: BLE001 - as promised
        _told(app, "audit.failed", error)
    finally:
        ledger.close()


def _prepare(app: App, ledger: LedgerReader, writer: GroupWriter) -> None:
    from alerting.service.ready import note_ready, people_of, ready, unprepared

    try:
        for told in unprepared(ledger):
            at = app.clock.now()
            waiting = ready(app.house(), told, people=people_of(ledger, told.first.id), at=at)
            note = partial(note_ready, told=told, waiting=waiting, actor=_BY_ITSELF, at=at)
            writer.submit(note).result()
    except Exception as error:  # noqa: BLE001 - the next of the three does not depend on it
        _told(app, "follow_ups.failed", error)


def _seal(app: App, ledger: LedgerReader, writer: GroupWriter, *, keys: bool) -> None:
    def record(acts: Sequence[Act]) -> tuple[int, str]:
        at = micros(app.clock.now())
        return writer.submit(lambda open_: write(open_, acts, actor=_BY_ITSELF, at=at)).result()

    try:
        if not (keys or has_keys(app.state)):
            return
        keeper = app.keeper()
        if keeper.due(ledger):
            kept = keeper.checkpoint(record)
            app.log.info("audit.checkpointed", acts=kept.checkpoint.size, alerts=len(kept.sealed))
    except Exception as error:  # noqa: BLE001 - the next of the three does not depend on it
        _told(app, "audit.failed", error)


def _publish(app: App, ledger: LedgerReader) -> None:
    from alerting.publishing.feed import publish

    try:
        publish(app, ledger)
    except Exception as error:  # noqa: BLE001 - the next of the three does not depend on it
        _told(app, "feed.failed", error)


def _told(app: App, event: str, error: Exception) -> None:
    app.log.error(event, error=words_of(error))
