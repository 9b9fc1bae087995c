"""What ``alert send`` does, whoever has read its line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from alerting.cli.decision import clock_of
from alerting.cli.dispatch import dispatch
from alerting.cli.face import Face, note
from alerting.errors import LedgerBusy, LedgerInDoubt, LedgerUnavailable, Problem, UsageProblem

if TYPE_CHECKING:
    from typing import Unpack

    from alerting.cli.dispatch import Manner

#: What a person must know before an alert leaves beside the shared ledger.
_LOCAL: Final = (
    "LOCAL: this alert is kept on this host alone, in {where}. No other host knows of it: if one of them"
    " sends it too, SOME PEOPLE GET IT TWICE. Look at it with `alert --local status`; when the server is"
    " back, `alert ledger merge` takes it into the shared record."
)
_WAY_OUT: Final = Problem(
    where="",
    what="to send it all the same, from this host alone: repeat the command with --local",
    fix="some people may get it twice if another host sends it too",
)


def send(
    face: Face,
    *,
    template: str,
    value: list[str] | None = None,
    to: str | None = None,
    channels: str | None = None,
    incident: str = "",
    evidence: str = "",
    next_minutes: int = 15,
    reported: str = "",
    confirmed: str = "",
    **manner: Unpack[Manner],
) -> int:
    """Show what a line of ``alert send`` asks for, have it confirmed, send and watch; return the exit code.

    Raises:
        AlertingError, ConfigProblem: it was refused; nothing was sent.
    """
    clock = clock_of(face, reported=reported, confirmed=confirmed)
    request = request_of(
        template, value, to, channels, incident, evidence=evidence, next_minutes=next_minutes, clock=clock
    )
    if face.local:
        note(_LOCAL.format(where=face.app.where))
    try:
        return dispatch(face, request, title="send", **manner)
    except (LedgerBusy, LedgerInDoubt):
        raise
    except LedgerUnavailable as lost:
        if face.view.shared is None:
            raise
        raise type(lost)(*lost.problems, _WAY_OUT) from None


def request_of(
    template: str,
    value: list[str] | None,
    to: str | None,
    channels: str | None,
    incident: str,
    **wanted: Any,
) -> Any:
    """Return what was asked for, of the words of a command line.

    Raises:
        UsageProblem: values that are none; all at once.
    """
    from alerting.keys import normal_id
    from alerting.service.planning import Request

    return Request(
        template=template,
        values=values_of(value or []),
        audience=_one("--to", to, "audience"),
        channels=_several("--channels", channels, "channel"),
        incident=normal_id(incident) if incident else "",
        **wanted,
    )


def _several(option: str, told: str | None, what: str) -> tuple[str, ...]:
    """Return the names of an option, none where it was left out.

    Raises:
        UsageProblem: it is there and names none. A script whose variables are empty must not reach more
            people than it was written for.
    """
    names = tuple(word for part in (told or "").split(",") if (word := part.strip()))
    if told is not None and not names:
        fix = "name one, or leave the option out"
        raise UsageProblem(Problem(where=option, what=f"{told!r} names no {what}", fix=fix))
    return names


def _one(option: str, told: str | None, what: str) -> str:
    _several(option, told, what)
    return told or ""


def values_of(pairs: list[str]) -> dict[str, str]:
    """Read name=value pairs; all that are wrong are told at once."""
    values: dict[str, str] = {}
    problems = []
    for pair in pairs:
        name, equals, text = pair.partition("=")
        name = name.strip()
        if not equals or not name:
            problems.append(
                Problem(where="-v", what=f"{pair!r} has no name", fix='write -v place="Baker Hall"')
            )
        elif name in values:
            problems.append(Problem(where=f"-v {name}", what="given twice", fix="give it once"))
        values[name] = text.strip()
    if problems:
        raise UsageProblem(*problems)
    return values
