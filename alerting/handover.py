"""What a command does to the record: by itself where nobody owns the ledger, else by asking who does.

There is one place for this, so that every act passes the same gate on both ways, and none is lost between
an owner that is just ending and one that is just beginning.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, TypeVar

from alerting.errors import LedgerBusy
from alerting.gate import admit

if TYPE_CHECKING:
    from alerting.app import App
    from alerting.ledger.rows import Actor
    from alerting.ledger.writer import GroupWriter

T = TypeVar("T")

#: How long an owner has for its answer, in seconds, unless the act takes longer.
ANSWER_S: Final = 30.0
#: An owner that is just starting or ending does not answer; it is over in much less than this.
_HANDOVER_S: Final = 5.0
_PAUSE_S: Final = 0.05


def carry_out(
    app: App,
    request: Mapping[str, Any],
    here: Callable[[GroupWriter, dict[str, Any]], T],
    *,
    actor: Actor,
    answer_s: float = ANSWER_S,
) -> T | dict[str, Any]:
    """Own the ledger for a moment and do it ``here``, or have its owner do it; until one of both succeeds.

    ``request`` is what the owner is asked, by its verb. ``here`` is given the writer, and the request as
    the gate let it through: with those it comes from as we know them.

    Raises:
        LedgerBusy: the owner does not answer.
        Unanswered, LedgerInDoubt: it is not known whether it was done.
        AlertingError: it was refused; nothing was changed.
    """
    asked = {**request, "actor": actor.name, "origin": actor.origin, "token": app.token}
    until = time.monotonic() + _HANDOVER_S
    while True:
        with ExitStack() as turn:
            try:
                turn.enter_context(app.turn())
            except LedgerBusy:
                told = _answered(app, asked, until=until, answer_s=answer_s)
                if told is not None:
                    return told
                time.sleep(_PAUSE_S)
                continue
            admitted = admit(app.config, asked)
            writer = app.writer()
            turn.callback(writer.close)
            return here(writer, admitted)


def _answered(app: App, asked: Mapping[str, Any], *, until: float, answer_s: float) -> dict[str, Any] | None:
    """Return what the owner answered; None when nobody listened and it is worth looking again."""
    from alerting.engine.control import Unanswered, ask, raise_refusal

    try:
        told = ask(app.state, asked, timeout=answer_s)
    except Unanswered:
        raise
    except LedgerBusy:
        if time.monotonic() > until:
            raise
        return None
    raise_refusal(told)
    return told
