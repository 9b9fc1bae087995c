"""What every channel must do, as tests. Inherit, give four fixtures, and your adapter is tested.

::

    class TestWebhook(ChannelConformance):
        @pytest.fixture
        def provider(self): ...             # a stand-in for the service: see Provider
        @pytest.fixture
        def channel(self, provider): ...    # every secret of its settings is, or contains, CANARY
        @pytest.fixture
        def lost_channel(self): ...         # the same, pointed at a port where nobody listens
        @pytest.fixture
        def envelope(self): ...             # something the channel can send

Give the channel a deadline of a second or less, or the tests of hanging take long. A test that makes
no sense for a service is taken out by name: ``test_a_hanging_provider_is_cut = None``, with a comment.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from datetime import timedelta
from enum import StrEnum
from hashlib import sha256
from time import monotonic
from typing import ClassVar, Final, Protocol

import pytest

from alerting.channels.base import Channel, Envelope, Found, Lookup
from alerting.clock import SystemClock
from alerting.model.outcome import Accepted, Deferred, Outcome, Rejected, Scope, Unknown

#: What every secret of a channel under test is, or contains; it may be shown nowhere.
CANARY: Final = "canary-5d41402abc4b2a76"
#: How much longer than its deadline a call may take, in seconds.
GRACE_S: Final = 0.5
#: Where a started call surely is in its request, in seconds.
_UNDER_WAY_S: Final = 0.2
_DIGITS: Final = 32


class Fault(StrEnum):
    """What goes wrong at the service, in no service's own words."""

    RATE_LIMITED = "rate_limited"  #: refused: 429 with ``Retry-After: 7``
    BROKEN = "broken"  #: 500, and the message is not kept
    HANG = "hang"  #: the request is read, the message not kept, no answer comes
    DRIP = "drip"  #: the answer comes in crumbs, over several deadlines
    RESET_AFTER = "reset_after"  #: the message is kept, then the connection is reset
    HTML = "html"  #: a gateway's page instead of an answer
    EMPTY = "empty"  #: success, and a body of no bytes
    HUGE = "huge"  #: success, and megabytes of body
    NAN = "nan"  #: success, and ``NaN`` where the id should be
    DEAD_TOKEN = "dead_token"  # noqa: S105  #: the credentials were revoked


class Provider(Protocol):
    """The service as the suite needs to see it: made to fail, and looked into."""

    def script(self, effect: Fault, **match: object) -> None:
        """Let this happen from now on, instead of what was scripted before.

        With ``text_contains``, only to messages with these words; the rest is well.
        """
        ...

    def taken(self, envelope: Envelope) -> int:
        """Return how many messages with this envelope's text the service has kept."""
        ...

    def keys(self, envelope: Envelope) -> Sequence[str]:
        """Return the idempotency key of each such message; nothing where the service takes none."""
        ...


def alike(envelope: Envelope, number: int) -> Envelope:
    """Return another message to the same address: other words, another key."""
    text = f"{envelope.content.text} No. {number}."
    key = sha256(f"{envelope.key}|{number}".encode()).hexdigest()[:_DIGITS]
    return envelope._replace(key=key, content=envelope.content._replace(text=text))


class ChannelConformance:
    """The suite. Class variables say where a service rightly differs."""

    #: The wait that RATE_LIMITED names; None where the service names none.
    wait: ClassVar[timedelta | None] = timedelta(seconds=7)
    #: What BROKEN must come to.
    broken: ClassVar[type[Outcome]] = Unknown
    #: What cannot be understood, of the answers this service can give.
    unreadable: ClassVar[Sequence[Fault]] = (Fault.HTML, Fault.EMPTY, Fault.HUGE, Fault.NAN)
    #: Loggers of the stand-in, when it runs in the same process.
    of_provider: ClassVar[Sequence[str]] = ()

    @pytest.fixture(autouse=True)
    def _everything_is_logged(self, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
        with caplog.at_level(logging.DEBUG):
            yield

    def test_it_is_a_channel_that_says_what_it_can(self, channel: Channel) -> None:
        """Planning and lanes rest on these."""
        can = channel.capabilities
        assert isinstance(channel, Channel)
        assert channel.name
        assert can.rate_per_s > 0
        assert can.in_flight > 0
        assert can.deadline > timedelta(0)
        assert can.shape.limit > 0
        assert can.shape.slots
        assert all(feed.kind is can.address_kind for feed in can.feeds)

    async def test_a_good_send_is_accepted_once(
        self, channel: Channel, provider: Provider, envelope: Envelope
    ) -> None:
        """The provider has it once, and its name for it comes back."""
        outcome = await channel.send(envelope)
        assert isinstance(outcome, Accepted), outcome
        assert outcome.provider_id
        assert provider.taken(envelope) == 1

    async def test_too_many_requests_are_deferred_by_the_providers_own_wait(
        self, channel: Channel, provider: Provider, envelope: Envelope
    ) -> None:
        """A limit is surely not done, and says when."""
        provider.script(Fault.RATE_LIMITED)
        outcome = await channel.send(envelope)
        assert isinstance(outcome, Deferred), outcome
        assert outcome.after == self.wait
        assert provider.taken(envelope) == 0

    async def test_a_broken_provider_leaves_it_unknown(
        self, channel: Channel, provider: Provider, envelope: Envelope
    ) -> None:
        """An error of theirs does not say on which side of acceptance it happened."""
        provider.script(Fault.BROKEN)
        assert isinstance(await channel.send(envelope), self.broken)

    async def test_a_hanging_provider_is_cut(
        self, channel: Channel, provider: Provider, envelope: Envelope
    ) -> None:
        """Silence ends at the deadline."""
        provider.script(Fault.HANG)
        await self._cut_at_the_deadline(channel, envelope)

    async def test_a_dripping_answer_is_cut_at_the_total_deadline(
        self, channel: Channel, provider: Provider, envelope: Envelope
    ) -> None:
        """A timeout between two bytes is not a deadline."""
        provider.script(Fault.DRIP)
        await self._cut_at_the_deadline(channel, envelope)

    async def test_a_refused_connection_is_deferred(
        self, lost_channel: Channel, provider: Provider, envelope: Envelope
    ) -> None:
        """Nothing left, so nothing is in doubt."""
        outcome = await lost_channel.send(envelope)
        assert isinstance(outcome, Deferred), outcome
        assert outcome.reason.scope is Scope.CHANNEL
        assert provider.taken(envelope) == 0
        await lost_channel.aclose()

    async def test_what_is_another_s_when_it_would_leave_does_not_leave(
        self, channel: Channel, provider: Provider, envelope: Envelope
    ) -> None:
        """A process that stood still while it connected: somebody else may have sent it meanwhile."""
        outcome = await channel.send(envelope._replace(ours=lambda: False))
        assert isinstance(outcome, Deferred), outcome
        assert provider.taken(envelope) == 0
        assert isinstance(await channel.send(envelope), Accepted)
        assert provider.taken(envelope) == 1

    async def test_a_reset_after_acceptance_is_unknown_and_found(
        self, channel: Channel, provider: Provider, envelope: Envelope
    ) -> None:
        """The message is out and nobody said so: a channel that can look it up must find it."""
        since = SystemClock().now()
        provider.script(Fault.RESET_AFTER, text_contains=envelope.content.text)
        outcome = await channel.send(envelope)
        assert isinstance(outcome, Unknown), outcome
        assert provider.taken(envelope) == 1
        if isinstance(channel, Lookup):
            verdict = await channel.find(envelope, since)
            assert isinstance(verdict, Found), verdict
            assert verdict.provider_id

    async def test_what_was_never_sent_is_not_found(
        self, channel: Channel, provider: Provider, envelope: Envelope
    ) -> None:
        """Another message's text is not ours."""
        since = SystemClock().now()
        await channel.send(alike(envelope, 1))
        assert provider.taken(envelope) == 0
        if isinstance(channel, Lookup):
            assert not isinstance(await channel.find(envelope, since), Found)

    async def test_an_answer_nobody_can_read_is_unknown(
        self, channel: Channel, provider: Provider, envelope: Envelope
    ) -> None:
        """A page, nothing, megabytes, no JSON: nobody knows, and nothing is raised."""
        for number, fault in enumerate(self.unreadable):
            provider.script(fault)
            outcome = await channel.send(alike(envelope, number))
            assert isinstance(outcome, Unknown), (fault, outcome)

    async def test_a_revoked_token_is_the_channels_trouble(
        self, channel: Channel, provider: Provider, envelope: Envelope
    ) -> None:
        """One dead token must not reject everybody on the list."""
        provider.script(Fault.DEAD_TOKEN)
        outcome = await channel.send(envelope)
        assert isinstance(outcome, Rejected), outcome
        assert outcome.reason.scope is Scope.CHANNEL
        assert provider.taken(envelope) == 0

    async def test_no_secret_and_no_address_is_shown(
        self,
        channel: Channel,
        lost_channel: Channel,
        provider: Provider,
        envelope: Envelope,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Neither in an outcome, nor in ``repr``, nor in a log at DEBUG."""
        told = [repr(channel), str(channel), repr(await lost_channel.send(envelope))]
        told.append(repr(await channel.send(envelope)))
        quick = (Fault.RATE_LIMITED, Fault.BROKEN, Fault.RESET_AFTER, Fault.DEAD_TOKEN, *self.unreadable)
        for number, fault in enumerate(quick):
            provider.script(fault)
            told.append(repr(await channel.send(alike(envelope, number))))
            if isinstance(channel, Lookup):
                told.append(repr(await channel.find(envelope, SystemClock().now())))
        logged = self._logged(caplog)
        assert CANARY not in "\n".join([*told, *logged])
        if envelope.address.masked != str(envelope.address):
            assert envelope.address.value not in "\n".join(logged)

    async def test_it_may_be_closed_twice(
        self, channel: Channel, provider: Provider, envelope: Envelope
    ) -> None:
        """Whoever stops does not have to know whether somebody else did."""
        await channel.send(envelope)
        assert provider.taken(envelope) == 1
        await channel.aclose()
        await channel.aclose()

    async def test_as_many_as_it_says_can_be_in_flight(
        self, channel: Channel, provider: Provider, envelope: Envelope
    ) -> None:
        """Each arrives once, and each gets its own name back."""
        envelopes = [alike(envelope, number) for number in range(channel.capabilities.in_flight)]
        outcomes = await asyncio.gather(*(channel.send(each) for each in envelopes))
        named = {outcome.provider_id for outcome in outcomes if isinstance(outcome, Accepted)}
        assert len(named) == len(envelopes), outcomes
        assert [provider.taken(each) for each in envelopes] == [1] * len(envelopes)

    async def test_one_lost_answer_spoils_no_other(
        self, channel: Channel, provider: Provider, envelope: Envelope
    ) -> None:
        """What happens to one call stays with it."""
        lost, well = alike(envelope, 1), alike(envelope, 2)
        provider.script(Fault.RESET_AFTER, text_contains=lost.content.text)
        outcomes = await asyncio.gather(channel.send(lost), channel.send(well))
        assert [type(outcome) for outcome in outcomes] == [Unknown, Accepted], outcomes

    async def test_every_attempt_carries_the_same_key(
        self, channel: Channel, provider: Provider, envelope: Envelope
    ) -> None:
        """A provider that recognises a key must recognise the second attempt."""
        await channel.send(envelope)
        await channel.send(envelope._replace(attempt=2))
        await channel.send(alike(envelope, 1))
        ours, another = provider.keys(envelope), provider.keys(alike(envelope, 1))
        assert len(set(ours)) <= 1, ours
        assert set(ours).isdisjoint(another)

    async def test_a_cancelled_send_ends_at_once(
        self, channel: Channel, provider: Provider, envelope: Envelope
    ) -> None:
        """A program that stops does not wait for a provider that does not answer."""
        provider.script(Fault.HANG)
        sending = asyncio.create_task(channel.send(envelope))
        await asyncio.sleep(min(_UNDER_WAY_S, channel.capabilities.deadline.total_seconds() / 2))
        sending.cancel()
        began = monotonic()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert monotonic() - began < GRACE_S

    async def _cut_at_the_deadline(self, channel: Channel, envelope: Envelope) -> None:
        began = monotonic()
        outcome = await channel.send(envelope)
        took = monotonic() - began
        assert isinstance(outcome, Unknown), outcome
        assert took < channel.capabilities.deadline.total_seconds() + GRACE_S

    def _logged(self, caplog: pytest.LogCaptureFixture) -> list[str]:
        ours = [r for r in caplog.records if not r.name.startswith(tuple(self.of_provider))]
        return [f"{record.getMessage()} {record.__dict__}" for record in ours]
