"""Acts that change the record and send nothing: here when nobody has the ledger, else by who has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from alerting.acting import perform
from alerting.handover import carry_out

if TYPE_CHECKING:
    from alerting.cli.face import Face
    from alerting.ledger.writer import GroupWriter


def act(face: Face, verb: str, told: dict[str, Any]) -> dict[str, Any]:
    """Carry out one act and return what it answered.

    Raises:
        AlertingError: it was refused; nothing was changed.
    """
    app = face.view

    def here(writer: GroupWriter, request: Mapping[str, Any]) -> dict[str, Any]:
        at = app.clock.now()
        return dict(writer.submit(lambda ledger: perform(ledger, request, at=at)).result())

    return carry_out(app, {"verb": verb, **told}, here, actor=face.actor)
