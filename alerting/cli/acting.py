"""Acts that change the record and send nothing: here when nobody has the ledger, else by who has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from alerting.engine.control import ask
from alerting.errors import LedgerBusy
from alerting.gate import admit
from alerting.runner import perform, raise_refusal

if TYPE_CHECKING:
    from alerting.cli.face import Face

_ANSWER_S: Final = 5.0


def act(face: Face, verb: str, told: dict[str, Any]) -> dict[str, Any]:
    """Carry out one act and return what it answered.

    Raises:
        AlertingError: it was refused; nothing was changed.
    """
    app, actor = face.view, face.actor
    request = {"verb": verb, "actor": actor.name, "origin": actor.origin, "token": face.token, **told}
    try:
        with app.turn():
            admitted = admit(app.config, request)
            writer = app.writer()
            try:
                at = app.clock.now()
                return dict(writer.submit(lambda ledger: perform(ledger, admitted, at=at)).result())
            finally:
                writer.close()
    except LedgerBusy:
        answer = ask(app.state, request, timeout=_ANSWER_S)
        raise_refusal(answer)
        return answer
