"""Text messages through Twilio, the kind ``sms.twilio``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final

from alerting.channels.base import (
    Callback,
    CannotTell,
    Capabilities,
    Check,
    Envelope,
    Forged,
    Reading,
    Surroundings,
    Verdict,
)
from alerting.channels.sms.outcomes import outcome_of, taken
from alerting.channels.sms.receipts import STATUS_PATH, TwilioReceipts
from alerting.channels.sms.wire import Reply
from alerting.channels.web_answer import Silence
from alerting.clock import Clock, micros
from alerting.model.audience import AddressKind
from alerting.model.message import Content, Shape, Unit
from alerting.model.outcome import Accepted, Outcome
from alerting.model.receipt import Receipt

# What plans with a channel needs none of the rooms that send.
if TYPE_CHECKING:
    from alerting.channels.sms.account import Account
    from alerting.channels.sms.config import TwilioConfig
    from alerting.channels.sms.prepared import PreparedRequest
    from alerting.channels.sms.transport import Transport

#: What Twilio takes for a validity period, in seconds.
#: https://www.twilio.com/docs/messaging/api/message-resource (read 2026-11)
_SHORTEST_S: Final = 1
_SECOND: Final = 1_000_000
_CREATED: Final = 201
_TEXTS_KEPT: Final = 16


class TwilioSms:
    """One sender of a Twilio account.

    Twilio has no idempotency key. What an unanswered create left behind is found by asking for the
    recipient's newest messages, and told by the receipt, whose address carries the delivery's key.
    """

    #: What a first message imports: the vendor's SDK.
    needs: Final = (
        "alerting.channels.sms.account",
        "alerting.channels.sms.client",
        "twilio.rest.api.v2010.account",
    )

    def __init__(self, config: TwilioConfig, surroundings: Surroundings) -> None:
        self.name = config.name
        self._clock: Clock = surroundings.clock
        self._config = config
        self._cap_s = config.validity_cap_s
        self._receipts = TwilioReceipts(config, surroundings.clock)
        reachable = config.status_callback and self._receipts.paths
        callback = surroundings.callback_url.rstrip("/") if reachable else ""
        self.paths: Sequence[str] = self._receipts.paths if callback else ()
        self.capabilities = _capabilities(config, receipts=bool(callback))
        self._base_url = surroundings.base_url or config.base_url
        self._callback_url = callback and callback + STATUS_PATH
        self._prepared: dict[str, PreparedRequest] = {}
        self._expires: tuple[datetime | None, int] = None, 0  #: an alert's end, and the same in microseconds

    @cached_property
    def _transport(self) -> Transport:
        from alerting.channels.sms.transport import Transport

        return Transport(deadline=self.capabilities.deadline, in_flight=self._config.in_flight)

    @cached_property
    def _account(self) -> Account:
        from alerting.channels.sms.account import Account

        return Account(
            self._config, self._transport, base_url=self._base_url, callback_url=self._callback_url
        )

    async def send(self, envelope: Envelope) -> Outcome:
        """Create one message; Twilio tries no longer than the alert lives."""
        text = envelope.content.text
        prepared = self._prepared.get(text) or await self._prepare(text)
        if not envelope.ours():
            return outcome_of(Silence(sent=False, detail="not ours to send any more"), self._clock)
        body = self._body(prepared, envelope)
        return outcome_of(await self._transport.exchange(prepared.target, body), self._clock)

    async def prepare(self, content: Content) -> None:
        """Have the SDK imported and the content's request made."""
        if content.text not in self._prepared:
            await self._prepare(content.text)

    def submit(self, envelope: Envelope, done: Callable[[Outcome], None], leave_by: float) -> bool:
        """Do what ``send`` does, telling ``done``; False until a first ``send`` has prepared the text."""
        prepared = self._prepared.get(envelope.content.text)
        if prepared is None:
            return False
        body = self._body(prepared, envelope)
        self._transport.begin(prepared.target, body, partial(_tell, done, self._clock), leave_by)
        return True

    @property
    def held(self) -> int:
        """How many of the newest texts wait for a connection, and have not left."""
        return len(self._transport.waiting)

    def _body(self, prepared: PreparedRequest, envelope: Envelope) -> bytes:
        if envelope.expires_at is not self._expires[0]:
            self._expires = envelope.expires_at, micros(envelope.expires_at)
        left_s = (self._expires[1] - self._clock.micros()) // _SECOND
        life_s = self._cap_s if left_s > self._cap_s else max(_SHORTEST_S, left_s)
        return prepared.body(to=envelope.address.value, key=envelope.handle, life_s=life_s)

    async def find(self, envelope: Envelope, since: datetime) -> Verdict:
        """Look through the recipient's newest messages.

        They are not filtered by ``DateSent``: what is still queued has none.
        """
        from alerting.channels.sms.account import Failed
        from alerting.channels.sms.lookup import NEWEST, Listed, Sought, verdict

        to = envelope.address.value
        listed = await self._account.ask(lambda twilio: twilio.messages.list_async(to=to, limit=NEWEST))
        if isinstance(listed, Failed):
            return CannotTell(listed.words)
        newest = [Listed(str(m.sid), str(m.body), str(m.status), m.date_created) for m in listed]
        sought = Sought(
            text=envelope.content.text,
            since=since,
            complete_at=since + self.capabilities.quarantine,
            rewritten=bool(self._config.messaging_service),
            others=frozenset(envelope.others),
        )
        return verdict(newest, sought, self._clock.now())

    def read(self, path: str, callback: Callback) -> Reading | Forged:
        """Verify and read one of Twilio's calls to us."""
        return self._receipts.read(path, callback)

    async def poll(self, provider_ids: Sequence[str]) -> Sequence[Receipt]:
        """Ask Twilio how messages stand."""
        from alerting.channels.sms.poll import poll

        return await poll(self._account, self._receipts, provider_ids)

    async def retract(self, provider_id: str) -> Outcome:
        """Cancel a message that has not left Twilio yet."""
        from alerting.channels.sms.account import Failed

        done = await self._account.ask(
            lambda twilio: twilio.messages(provider_id).update_async(status="canceled")
        )
        return done.outcome if isinstance(done, Failed) else Accepted(provider_id)

    async def check(self) -> Sequence[Check]:
        """Look at account, balance and sender."""
        from alerting.channels.sms.probe import checks

        return await checks(self._account)

    async def aclose(self) -> None:
        """Give back every socket; may be called twice."""
        if "_transport" in vars(self):
            self._transport.close()

    async def _prepare(self, text: str) -> PreparedRequest:
        await self._account.ready()
        if kept := self._prepared.get(text):  # by another who waited, too
            return kept
        prepared = await self._account.prepare(text)
        while len(self._prepared) >= _TEXTS_KEPT:
            del self._prepared[next(iter(self._prepared))]
        self._prepared[text] = prepared
        return prepared


def _tell(done: Callable[[Outcome], None], clock: Clock, end: Reply | Silence) -> None:
    if type(end) is Reply and end.status == _CREATED:
        done(taken(end.body))
    else:
        done(outcome_of(end, clock))


def build(settings: TwilioConfig, surroundings: Surroundings) -> TwilioSms:
    """Return the channel that ``channels.yaml`` describes; opens nothing."""
    return TwilioSms(settings, surroundings)


def _capabilities(config: TwilioConfig, *, receipts: bool) -> Capabilities:
    return Capabilities(
        address_kind=AddressKind.PHONE,
        shape=Shape(unit=Unit.SEGMENTS, limit=config.segments, slots=("sms", "message")),
        rate_per_s=config.rate_per_s,
        in_flight=config.in_flight,
        deadline=timedelta(seconds=config.deadline_s),
        receipts=receipts,
        cost_per_unit=config.price_per_segment,
        quarantine=timedelta(seconds=config.lookup_after_s),
    )
