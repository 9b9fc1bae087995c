"""One mail's way through SMTP, as a value that is told replies: no socket, no clock.

::

    head:  [RSET] MAIL RCPT… DATA ──354──▶ text, final dot ──250──▶ Accepted
             │      │     │    │             │
             refused: decided here           └─ no reply: Unknown, and nowhere else

Until the final dot has been given to the connection nothing was sent, whatever happens. From then on
only a reply tells.  RFC 5321 sections 3.3, 4.1.1.4 and 4.2.5; RFC 2920 for the pipelined head.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from alerting.channels.base import always
from alerting.channels.email.codes import Reply, Step, described, refusal
from alerting.model.outcome import Accepted, Deferred, Outcome, Reason, Rejected, Unknown

_GO_AHEAD: Final = 354
_LOST: Final = "the connection ended"


class Transaction:
    """One message to one or more people, and what became of it for each.

    ``sender`` and ``recipients`` are mailboxes in wire form, ``text`` is ready for the wire, and
    ``message_id`` is what every recipient's acceptance is called. ``ours`` is asked before the text leaves.
    """

    __slots__ = ("_outcomes", "handed_over", "message_id", "ours", "reached", "recipients", "sender", "text")

    def __init__(
        self,
        *,
        sender: bytes,
        recipients: Sequence[bytes],
        text: bytes,
        message_id: str,
        ours: Callable[[], bool] = always,
    ) -> None:
        self.sender = sender
        self.recipients = recipients
        self.text = text
        self.message_id = message_id
        self.ours = ours
        self.reached = False  #: whether a session was there for it
        self.handed_over = False  #: whether the final dot may have left
        self._outcomes: list[Outcome | None] = [None] * len(recipients)

    def commands(self) -> list[bytes]:
        """Return the head, one command each: MAIL, every RCPT, DATA."""
        return [
            b"MAIL FROM:<%b>\r\n" % self.sender,
            *(b"RCPT TO:<%b>\r\n" % recipient for recipient in self.recipients),
            b"DATA\r\n",
        ]

    def answered(self, replies: Sequence[Reply]) -> bool:
        """Take the replies to the head, as many as came; say whether the text may follow."""
        missing = len(self.recipients) + 2 - len(replies)
        heard: list[Reply | None] = [*replies, *[None] * missing]
        mail, recipients, data = heard[0], heard[1:-1], heard[-1]
        if mail is None or not mail.ok:
            self._rest_become(_no(Step.SENDER, mail))
            return False
        for place, reply in enumerate(recipients):
            if reply is None or not reply.ok:
                self._outcomes[place] = _no(Step.RECIPIENT, reply)
        if data is not None and data.code == _GO_AHEAD:
            return None in self._outcomes
        self._rest_become(_no(Step.DATA, data))
        return False

    def finished(self, reply: Reply | None) -> None:
        """Take the reply to the text; None when the connection ended without one."""
        if reply is None:
            self._rest_become(Unknown(Reason.UNAVAILABLE, f"{Step.TEXT}: {_LOST} before the relay answered"))
        elif reply.ok:
            self._rest_become(Accepted(self.message_id))
        elif reply.code // 100 in (4, 5):
            self._rest_become(refusal(Step.TEXT, reply))
        else:
            self._rest_become(Unknown(Reason.UNREADABLE, described(Step.TEXT, reply)))

    def refused(self, outcome: Deferred | Rejected) -> None:
        """Take the news that no connection could be had."""
        self._rest_become(outcome)

    def abandoned(self) -> None:
        """Take the news that the connection ended between the go-ahead and the text."""
        self._rest_become(_no(Step.DATA, None))

    def cut(self, within_s: float) -> None:
        """Take the news that time is up."""
        if self.handed_over:
            self._rest_become(Unknown(Reason.TIMEOUT, f"{Step.TEXT}: no reply within {within_s:g} s"))
        else:
            reason = Reason.UNAVAILABLE if self.reached else Reason.UNCONNECTED
            self._rest_become(Deferred(reason, detail=f"no reply within {within_s:g} s"))

    @property
    def outcomes(self) -> Sequence[Outcome]:
        """What became of each recipient, in order."""
        settled = [outcome for outcome in self._outcomes if outcome is not None]
        assert len(settled) == len(self._outcomes), "a transaction ended without an outcome"
        return settled

    def _rest_become(self, outcome: Outcome) -> None:
        self._outcomes = [outcome if each is None else each for each in self._outcomes]


def leaves_data_open(replies: Sequence[Reply]) -> bool:
    """Say whether the relay now waits for a text, whatever it said before."""
    return bool(replies) and replies[-1].code == _GO_AHEAD


def _no(step: Step, reply: Reply | None) -> Deferred | Rejected:
    if reply is None:
        return Deferred(Reason.UNAVAILABLE, detail=f"{step}: {_LOST} before the mail left")
    return refusal(step, reply)
