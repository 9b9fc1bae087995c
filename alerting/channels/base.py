"""The channel port: what every adapter is, and the powers some have.

An adapter sends once. It never sleeps, retries, or raises for a provider's fault: those are outcomes.
Retrying, pacing and deciding live in ``alerting.broadcast``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Protocol, runtime_checkable

from alerting.clock import Clock
from alerting.model.audience import Address, AddressKind
from alerting.model.message import Content, Shape
from alerting.model.outcome import Outcome
from alerting.model.receipt import Receipt
from alerting.named import NamedTuple, Variant


class Capabilities(NamedTuple):
    """What a configured channel can do, as planning and lanes need to know it."""

    address_kind: AddressKind
    shape: Shape
    rate_per_s: float  #: messages (SMS: segments) a second the account may send
    in_flight: int  #: most calls open at once
    deadline: timedelta  #: a call that takes longer is cut
    max_batch: int = 1  #: envelopes one ``send_many`` takes; 1 without that power
    receipts: bool = False  #: whether the provider ever says "delivered"
    feeds: tuple[Address, ...] = ()  #: a public channel's own addresses; empty where people have addresses
    cost_per_unit: float = 0.0  #: in the account's currency, per message or segment; 0 when unknown
    quarantine: timedelta = timedelta(seconds=5)  #: how long a look-up waits for the provider to show it
    threads: bool = False  #: whether a follow-up refers to the earlier messages to its address


def always() -> bool:
    """Say yes: of a message that nobody else could send."""
    return True


class Envelope(NamedTuple):
    """One message for one address, ready to leave.

    A tuple, since one is made for every call: a frozen dataclass of nine fields takes four times as long.

    ``key`` is the delivery's idempotency key, 32 hex digits, the same on every attempt.
    ``ref`` names the delivery's row; a receipt that brings ``<key>.<ref>`` back finds it at once.
    ``expires_at`` is the end of the alert's life, aware UTC: what the provider may not outlive.
    ``thread`` holds the provider ids of the incident's earlier messages to this address, oldest first,
    for a channel whose ``threads`` says that it refers to them.
    ``others`` are ids of other messages to this address: a look-up may take none of them for this one.
    ``ours`` is asked when the message is about to leave, in whatever thread: no means that this process stood
    still for so long that another may have sent it. It does not leave then, and is deferred.
    """

    key: str
    address: Address
    content: Content
    attempt: int
    expires_at: datetime
    thread: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    live: bool = True
    ref: str = ""
    ours: Callable[[], bool] = always

    @property
    def handle(self) -> str:
        """What a provider is asked to bring back with its receipts: ``<key>.<ref>``, or the key alone."""
        return f"{self.key}.{self.ref}" if self.ref else self.key


class Found(Variant):
    """The provider has it. ``note`` is what nobody knows of it all the same, as with ``Accepted``."""

    provider_id: str
    permalink: str = ""
    note: str = ""


class Absent(Variant):
    """The provider does not show it. ``certain`` only where its list is complete by then."""

    certain: bool


class CannotTell(Variant):
    """The provider cannot be asked, or did not answer."""

    detail: str = ""


Verdict = Found | Absent | CannotTell


class Check(NamedTuple):
    """One finding of a probe: ``what`` was looked at, whether it is fine, and in words why.

    ``money`` is what is left to pay messages with, in the currency of ``cost_per_unit``, where it was told.
    """

    what: str
    ok: bool
    detail: str = ""
    fix: str = ""
    money: float | None = None


@runtime_checkable
class Channel(Protocol):
    """One configured lane out."""

    name: str
    capabilities: Capabilities

    async def send(self, envelope: Envelope) -> Outcome:
        """Try once, within the deadline; answer with what is known."""
        ...

    async def aclose(self) -> None:
        """Give back sockets; may be called twice."""
        ...


@runtime_checkable
class BatchChannel(Channel, Protocol):
    """A channel that hands over several recipients of the same content at once."""

    async def send_many(self, envelopes: Sequence[Envelope]) -> Sequence[Outcome]:
        """Try each once; one outcome for each, in order. All share one ``content``."""
        ...


@runtime_checkable
class Lookup(Protocol):
    """A channel whose provider can be asked what it has."""

    async def find(self, envelope: Envelope, since: datetime) -> Verdict:
        """Look for the message of an attempt that began at ``since`` and never answered."""
        ...


@runtime_checkable
class Foreseen(Protocol):
    """A channel that knows what its first message needs, so that it can be read ahead."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of modules to import; importing them opens nothing."""
        ...


@runtime_checkable
class Probe(Protocol):
    """A channel that can be checked without sending anything."""

    async def check(self) -> Sequence[Check]:
        """Try credentials and reachability; post nothing."""
        ...


@runtime_checkable
class StatusPoll(Protocol):
    """A channel whose provider can be asked how messages stand, where no callback can reach us."""

    async def poll(self, provider_ids: Sequence[str]) -> Sequence[Receipt]:
        """Ask for each, at a bounded rate; leave out what the provider does not know or say."""
        ...


@runtime_checkable
class Retractable(Protocol):
    """A channel that can take something back."""

    async def retract(self, provider_id: str) -> Outcome:
        """Delete a post, or cancel what the provider still queues."""
        ...


class Callback(NamedTuple):
    """A provider's call to our public address, as it came. Header names are lower case.

    ``url`` is the configured public address of the path called, never built from the Host header.
    """

    method: str
    url: str
    query: str
    headers: Mapping[str, str]
    body: bytes


class Reply(NamedTuple):
    """What a person wrote back: untrusted text, kept as it came."""

    channel: str
    address: str
    text: str
    at: datetime
    provider_id: str = ""


class Reading(NamedTuple):
    """What a genuine callback told, and how it wants to be answered."""

    receipts: Sequence[Receipt] = ()
    replies: Sequence[Reply] = ()
    status: int = 204
    body: bytes = b""
    content_type: str = "text/plain"


class Forged(Variant):
    """A callback that did not prove where it came from; ``why`` names no secret."""

    why: str


@runtime_checkable
class ReceiptReader(Protocol):
    """A channel whose provider calls back. Pure: it verifies and reads, and keeps nothing."""

    paths: Sequence[str]  #: below the public address, for example ``/twilio/status``

    def read(self, path: str, callback: Callback) -> Reading | Forged:
        """Verify first, over the raw bytes; parse only what is genuine."""
        ...


@runtime_checkable
class MailReader(Protocol):
    """A channel whose receipts come as mail."""

    def read_mail(self, raw: bytes) -> Sequence[Receipt]:
        """Read one mail; nothing where it is no report of ours. Never raises for what a mail holds."""
        ...

    def collect(self, keep: Callable[[Sequence[Receipt]], None]) -> int:
        """Read what is new in the mailbox and return how many mails that were; blocks.

        A mail counts as read once ``keep`` has returned.

        Raises:
            OSError: the mailbox cannot be reached or read, in words.
        """
        ...


class Surroundings(NamedTuple):
    """What an adapter may know of the house around it.

    ``base_url`` and ``smtp`` replace the provider's own host (a sandbox); empty means the real one.
    ``callback_url`` is our own public address for receipts, empty when none can reach us.
    """

    clock: Clock
    campus: str
    base_url: str = ""
    smtp: tuple[str, int] | None = None
    callback_url: str = ""
    labels: Mapping[str, str] = MappingProxyType({})
