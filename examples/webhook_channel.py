"""A channel that posts every alert as JSON to a service of your own."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Literal

from pydantic import Field

from alerting.channels.base import Capabilities, Envelope, Surroundings
from alerting.channels.registry import KindSpec
from alerting.channels.settings import ChannelSettings, SecretField
from alerting.channels.web_answer import Answer, Silence, text_at
from alerting.model.audience import Address, AddressKind
from alerting.model.message import Shape, Unit
from alerting.model.outcome import Accepted, Deferred, Outcome, Reason, Rejected, Unknown

#: What the entry point names: where the settings and the builder are.
KIND = KindSpec(settings="webhook_channel:WebhookSettings", build="webhook_channel:build")
#: Status -> Reason.  RFC 9110 section 15.5
REFUSALS: Final = {400: Reason.BAD_REQUEST, 401: Reason.AUTH, 403: Reason.FORBIDDEN, 413: Reason.TOO_LONG}
WAITS: Final = {408, 429}


class WebhookSettings(ChannelSettings):
    """A service that takes a POST and answers with ``{"id": "..."}``."""

    kind: Literal["webhook"] = "webhook"
    url: str = Field(pattern=r"^https?://\S+$", description="Where alerts are posted.")
    token: SecretField = Field(description="Sent as a bearer token.")


def build(settings: WebhookSettings, surroundings: Surroundings) -> WebhookChannel:
    """Return the channel; nothing is opened yet."""
    return WebhookChannel(settings, surroundings)


class WebhookChannel:
    """A service of your own."""

    def __init__(self, settings: WebhookSettings, surroundings: Surroundings) -> None:
        self.name = settings.name
        self.capabilities = Capabilities(
            address_kind=AddressKind.FEED,
            shape=Shape(unit=Unit.CHARACTERS, limit=2_000, slots=("webhook", "message")),
            rate_per_s=settings.rate_per_s,
            in_flight=settings.in_flight,
            deadline=timedelta(seconds=settings.deadline_s),
            feeds=(Address(AddressKind.FEED, f"webhook/{settings.name}"),),
        )
        self._settings, self._clock = settings, surroundings.clock

    async def send(self, envelope: Envelope) -> Outcome:
        """Post once. The key is the same on every attempt, so the service can drop a repeat."""
        from alerting.channels.web_session import converse

        url, token = self._settings.url, self._settings.token.reveal()
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": envelope.key}
        body = {"text": envelope.content.text, "expires_at": envelope.expires_at.isoformat()}
        said = await converse(
            lambda session: session.post(url, json=body, headers=headers),
            within_s=self._settings.deadline_s,
            ours=envelope.ours,
        )
        return said.outcome if isinstance(said, Silence) else self._outcome(said)

    async def aclose(self) -> None:
        """Do nothing: a connection lives as long as its call."""

    def _outcome(self, answer: Answer) -> Outcome:
        provider_id = text_at(answer.document, "id")
        if answer.ok and provider_id:
            return Accepted(provider_id)
        if answer.status in WAITS:
            return Deferred(Reason.RATE_LIMITED, answer.retry_after(self._clock.now()), answer.form)
        reason = REFUSALS.get(answer.status)
        return Rejected(reason, answer.form) if reason else Unknown(Reason.UNREADABLE, answer.form)
