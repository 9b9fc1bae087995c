"""A session that carries one mail after another.

With PIPELINING the next mail's MAIL, RCPT and DATA leave right behind a mail's text (RFC 2920 section 3.1
allows exactly this), so a busy connection needs one round trip a mail. Replies come in order: while the
next head waits, the text before it is answered first. So at most one text is without an answer, and
giving up on a head never costs the text before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import Enum, auto
from typing import Final

from alerting.channels.email.codes import Reply
from alerting.channels.email.dial import Session
from alerting.channels.email.transaction import Transaction, leaves_data_open

#: Relays like Postfix end a session after a hundred mails or some minutes of silence; better that we do.
MAILS_MOST: Final = 100
IDLE_S: Final = 60.0
_RESET: Final = b"RSET\r\n"
_END_OF_TEXT: Final = b".\r\n"


class Begun(Enum):
    """What became of a head whose text did not leave."""

    SETTLED = auto()  #: the transaction knows
    STALE = auto()  #: the session had ended before, nobody heard us


Pending = asyncio.Future[Sequence[Reply]]


class Connection:
    """One open session. Its owner lets one head in at a time."""

    def __init__(self, session: Session, *, idle_s: float = IDLE_S) -> None:
        self._wire = session.wire
        self._pipelining = session.pipelining
        self._idle_s = idle_s
        self._timer: asyncio.TimerHandle | None = None
        self._users = 0
        self._begun = 0
        self._spoilt = False  # somebody gave up here: what is still to come belongs to nobody
        self._unfinished = False  # the relay may still hold an envelope

    @property
    def usable(self) -> bool:
        """Whether another mail may begin here."""
        return self._wire.alive and not self._spoilt and self._begun < MAILS_MOST

    @property
    def overlaps(self) -> bool:
        """Whether another mail may begin before the last text is answered."""
        return self._pipelining and self.usable

    async def begin(self, mail: Transaction) -> Begun | Pending:
        """Send the head, and the text if the relay takes both; return where its answer will be.

        After anything but ``Pending`` the mail is over here.
        """
        self._enter()
        mail.reached = True
        begun: Begun | Pending | None = None
        try:
            begun = await self._begin(mail)
        finally:
            self._spoilt = self._spoilt or begun in (None, Begun.STALE)
            if not isinstance(begun, asyncio.Future):
                self._leave()
        return begun

    async def end(self, mail: Transaction, pending: Pending) -> None:
        """Wait for what the relay says to the text."""
        heard: Sequence[Reply] | None = None
        try:
            heard = await pending
            mail.finished(heard[0] if heard else None)
        finally:
            if heard is None:
                self._wire.drop()
            self._leave()

    async def aclose(self, within_s: float = 1.0) -> None:
        """Say good-bye and close; a text still without an answer stays without."""
        if self._users:
            self._wire.drop()
        self._wire.leave()
        await asyncio.wait({self._wire.closed}, timeout=within_s)
        self._wire.drop()

    async def _begin(self, mail: Transaction) -> Begun | Pending:
        replies = await self._head(mail)
        if not replies and self._begun > 1:
            return Begun.STALE
        if mail.answered(replies):
            return self._hand_over(mail)
        if leaves_data_open(replies):
            # Nobody is left to send to, and yet the relay waits for a text.  RFC 2920 section 3.1.
            await self._wire.ask(_END_OF_TEXT, 1)
            self._unfinished = False
        return Begun.SETTLED

    def _hand_over(self, mail: Transaction) -> Begun | Pending:
        if not self._wire.alive or not mail.ours():
            self._wire.drop()  # a relay that waits for the text must not get another instead
            mail.abandoned()
            return Begun.SETTLED
        self._unfinished = False
        mail.handed_over = True
        return self._wire.ask(mail.text + _END_OF_TEXT, 1)

    async def _head(self, mail: Transaction) -> Sequence[Reply]:
        reset, self._unfinished = self._unfinished, True
        if not self._pipelining:
            return await self._one_by_one(mail, reset=reset)
        commands = [_RESET, *mail.commands()] if reset else mail.commands()
        replies = await self._wire.ask(b"".join(commands), len(commands))
        if not reset:
            return replies
        return replies[1:] if replies and replies[0].ok else []

    async def _one_by_one(self, mail: Transaction, *, reset: bool) -> Sequence[Reply]:
        sender, *recipients, data = mail.commands()
        if reset and not _all_ok(await self._wire.ask(_RESET, 1)):
            return []
        replies = [*await self._wire.ask(sender, 1)]
        if not _all_ok(replies):
            return replies
        for recipient in recipients:
            heard = await self._wire.ask(recipient, 1)
            if not heard:
                return replies
            replies += heard
        if any(reply.ok for reply in replies[1:]):
            replies += await self._wire.ask(data, 1)
        return replies

    def _enter(self) -> None:
        self._users += 1
        self._begun += 1
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _leave(self) -> None:
        self._users -= 1
        if self._users:
            return
        if self._spoilt or not self._wire.alive:
            self._wire.drop()
        elif self._begun >= MAILS_MOST:
            self._wire.leave()
        else:
            self._timer = asyncio.get_running_loop().call_later(self._idle_s, self._wire.leave)


def _all_ok(replies: Sequence[Reply]) -> bool:
    return bool(replies) and all(reply.ok for reply in replies)
