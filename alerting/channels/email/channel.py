"""Sending mail: one person a message, or the same message to up to fifty in one transaction.

Message-IDs are the same on every attempt, so that a mailbox which got one mail twice can show it once.
A mail of its own is called ``<key.row@domain>``. Mails that share a transaction are copies of one message
and share one id, made from the content, the alert's end and the channel: it does not depend on who
shares with whom, so a person who is tried again, alone or in other company, gets the same id.
The alert's end is part of it because two drills may use the same words.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from alerting.channels.base import Capabilities, Check, Envelope, Surroundings
from alerting.channels.email import naming
from alerting.channels.email.dial import Dialler, Relay
from alerting.channels.email.header import wire_mailbox
from alerting.channels.email.mailbox import collect
from alerting.channels.email.message import Letterhead, compose, head
from alerting.channels.email.pool import OVERLAP, Pool
from alerting.channels.email.probe import probe
from alerting.channels.email.receipts import read_mail
from alerting.channels.email.transaction import Transaction
from alerting.digest import text_digest
from alerting.model.audience import AddressKind
from alerting.model.message import Content, Shape, Unit
from alerting.model.outcome import Outcome, Reason, Rejected
from alerting.model.receipt import Receipt

if TYPE_CHECKING:
    from alerting.channels.email.config import SmtpConfig

_TEXT_MOST: Final = 100_000
_TEXTS_KEPT: Final = 8
_KEY: Final = 32


class Smtp:
    """Mail through one relay, each person in a message of their own."""

    #: What a first message imports: the vendor's SDK.
    needs: Final = ("aiosmtplib",)

    def __init__(self, settings: SmtpConfig, surroundings: Surroundings) -> None:
        self.name = settings.name
        self.capabilities = _capabilities(settings)
        self._settings = settings
        self._clock = surroundings.clock
        self._within_s = settings.deadline_s
        self._dialler = Dialler(_relay(settings, surroundings))
        self._pool = Pool(self._dialler, connections=settings.in_flight)
        self._letterhead = Letterhead(
            mailbox=settings.mailbox,
            from_name=settings.from_name or surroundings.campus,
            reply_to=settings.reply_to,
            list_id=settings.list_id,
        )
        self._texts: list[tuple[Content, bool, bytes]] = []

    async def send(self, envelope: Envelope) -> Outcome:
        """Send one mail; ``Accepted`` is named by its Message-ID."""
        mailbox = _mailbox(envelope)
        if mailbox is None:
            return _no_mailbox()
        message_id = naming.message_id(envelope, self._settings.domain)
        first = head(message_id=message_id, to=mailbox, thread=envelope.thread)
        mail = Transaction(
            sender=self._sender(naming.tag(envelope)),
            recipients=(mailbox,),
            text=first + self._text(envelope),
            message_id=message_id,
            ours=envelope.ours,
        )
        await self._carry(mail)
        return mail.outcomes[0]

    async def check(self) -> Sequence[Check]:
        """Open a session and name the sender to the relay; send nothing."""
        sender = self._sender("0" * _KEY)
        return await probe(self._dialler, sender=sender, within_s=self._within_s)

    def read_mail(self, raw: bytes) -> Sequence[Receipt]:
        """Read a bounce, a delivery report or a complaint."""
        return read_mail(raw, settings=self._settings, at=self._clock.now())

    def collect(self, keep: Callable[[Sequence[Receipt]], None]) -> int:
        """Read what is new in the mailbox for bounces."""
        box = self._settings.bounces
        return collect(box, lambda raw: keep(self.read_mail(raw))) if box is not None else 0

    async def aclose(self) -> None:
        """Close every connection; may be called twice."""
        await self._pool.aclose()

    async def _carry(self, mail: Transaction) -> None:
        try:
            async with asyncio.timeout(self._within_s):
                await self._pool.carry(mail)
        except TimeoutError:
            mail.cut(self._within_s)

    def _sender(self, key: str) -> bytes:
        local, _, domain = self._settings.sender.rpartition("@")
        verp = f"+{key}" if self._settings.verp else ""
        return f"{local}{verp}@{domain}".encode("ascii")

    def _text(self, envelope: Envelope) -> bytes:
        """Return what all mails of a content share; the newest few are kept."""
        content, live = envelope.content, envelope.live
        for kept, was_live, text in self._texts:
            if was_live is live and (kept is content or kept == content):
                return text
        text = compose(content, letterhead=self._letterhead, date=self._clock.now(), live=live)
        self._texts = [(content, live, text), *self._texts[: _TEXTS_KEPT - 1]]
        return text


class BatchedSmtp(Smtp):
    """Mail through one relay, the same message to several people in one transaction."""

    async def send(self, envelope: Envelope) -> Outcome:
        """Send to one person what others get too."""
        return (await self.send_many([envelope]))[0]

    async def send_many(self, envelopes: Sequence[Envelope]) -> Sequence[Outcome]:
        """Send one message to all; each learns what the relay said of them."""
        mailboxes = [_mailbox(envelope) for envelope in envelopes]
        known = [mailbox for mailbox in mailboxes if mailbox is not None]
        told = iter(await self._send_to(known, envelopes) if known else ())
        return [_no_mailbox() if mailbox is None else next(told) for mailbox in mailboxes]

    async def _send_to(self, mailboxes: Sequence[bytes], envelopes: Sequence[Envelope]) -> Sequence[Outcome]:
        message_id = self._shared_id(envelopes[0])
        to = self._settings.list_address.encode("ascii") or b"undisclosed-recipients:;"
        # People who joined later have a shorter past; one message can name only one: the longest.
        thread = max((envelope.thread for envelope in envelopes), key=len)
        mail = Transaction(
            sender=self._sender(""),
            recipients=mailboxes,
            text=head(message_id=message_id, to=to, thread=thread) + self._text(envelopes[0]),
            message_id=message_id,
            ours=lambda: all(envelope.ours() for envelope in envelopes),
        )
        await self._carry(mail)
        return mail.outcomes

    def _shared_id(self, envelope: Envelope) -> str:
        content = envelope.content
        parts = (self.name, envelope.expires_at.isoformat(), content.subject, content.text, content.html)
        return f"<{text_digest(*parts)[:_KEY]}@{self._settings.domain}>"


def build(settings: SmtpConfig, surroundings: Surroundings) -> Smtp:
    """Return the channel of a configuration; nothing is opened yet."""
    return (BatchedSmtp if settings.batch > 1 else Smtp)(settings, surroundings)


def _capabilities(settings: SmtpConfig) -> Capabilities:
    shape = Shape(unit=Unit.CHARACTERS, limit=_TEXT_MOST, slots=("email", "message"), subject=True, html=True)
    return Capabilities(
        address_kind=AddressKind.EMAIL,
        shape=shape,
        rate_per_s=settings.rate_per_s,
        in_flight=settings.in_flight * OVERLAP,
        deadline=timedelta(seconds=settings.deadline_s),
        max_batch=settings.batch,
        threads=True,
    )


def _relay(settings: SmtpConfig, surroundings: Surroundings) -> Relay:
    helo = settings.helo_name or settings.domain
    if surroundings.smtp is not None:
        host, port = surroundings.smtp
        return Relay(host=host, port=port, tls="none", helo=helo)
    return Relay(
        host=settings.host,
        port=settings.relay_port,
        tls=settings.tls,
        helo=helo,
        username=settings.username,
        password=settings.password,
        oauth_token=settings.oauth_token,
    )


def _mailbox(envelope: Envelope) -> bytes | None:
    return wire_mailbox(envelope.address.value) if envelope.address.kind is AddressKind.EMAIL else None


def _no_mailbox() -> Rejected:
    return Rejected(Reason.INVALID_ADDRESS, "not a mailbox that can stand on the wire")
