"""Looking whether a relay would take our mail, without giving it any."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

from alerting.channels.base import Check
from alerting.channels.email.codes import Step, described, refusal
from alerting.channels.email.dial import Dialler, Relay, Session, Trouble
from alerting.channels.email.wire import Wire

_STEPS: Final = ("connect", "encrypt", "login")
_FIXES: Final = {
    "connect": "check host and port, and that the network lets this machine reach the relay",
    "encrypt": "write the tls the relay offers; a campus certificate goes into SSL_CERT_FILE",
    "login": "renew the password or the token; some relays no longer take passwords at all",
    "sender": "use a from mailbox that this relay lets us send as",
}


async def probe(dialler: Dialler, *, sender: bytes, within_s: float) -> Sequence[Check]:
    """Open a session of its own and name the sender; one finding a step, up to the first that fails."""
    try:
        async with asyncio.timeout(within_s):
            session = await dialler.dial()
            if isinstance(session, Trouble):
                return [*_passed(dialler.relay, session.step), _failed(session.step, _told(session))]
            return [*_passed(dialler.relay, ""), await _name(session, sender)]
    except TimeoutError:
        return [_failed("connect", f"{dialler.relay}: no answer within {within_s:g} s")]


async def _name(session: Session, sender: bytes) -> Check:
    wire: Wire = session.wire
    try:
        heard = await wire.ask(b"MAIL FROM:<%b>\r\n" % sender, 1)
        if heard and heard[0].ok:
            await wire.ask(b"RSET\r\n", 1)
            return Check(what="sender", ok=True, detail=described(Step.SENDER, heard[0]))
        words = refusal(Step.SENDER, heard[0]).detail if heard else "the relay closed the connection"
        return _failed("sender", words)
    finally:
        wire.leave()
        await asyncio.wait({wire.closed}, timeout=1.0)
        wire.drop()


def _passed(relay: Relay, until: str) -> Iterator[Check]:
    details = {
        "connect": str(relay),
        "encrypt": "" if relay.tls == "none" else relay.tls,
        "login": relay.username,
    }
    for step in _STEPS:
        if step == until:
            return
        if details[step]:
            yield Check(what=step, ok=True, detail=details[step])


def _failed(step: str, detail: str) -> Check:
    return Check(what=step, ok=False, detail=detail, fix=_FIXES[step])


def _told(trouble: Trouble) -> str:
    return trouble.outcome.detail
