"""What the configuration file says, as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from alerting.errors import Problem, UsageProblem
from alerting.named import NamedTuple

if TYPE_CHECKING:
    from alerting.channels.settings import ChannelSettings


class Campus(NamedTuple):
    """Who speaks. ``source`` is what every alert starts with; ``region`` where local numbers are from."""

    name: str
    source: str
    time_zone: str  #: an IANA name, known to exist
    region: str  #: two capital letters
    link: str = ""
    places: tuple[str, ...] = ()


class AudienceFile(NamedTuple):
    """A named set of people in a CSV file; ``groups`` empty for everyone in it."""

    name: str
    csv: Path  #: absolute; it may not be there
    region: str
    groups: tuple[str, ...] = ()


class Defaults(NamedTuple):
    """What an alert goes to when the officer names nothing; ``audience`` is empty where there is none."""

    channels: tuple[str, ...]
    audience: str = ""


class Retry(NamedTuple):
    """How often a delivery is tried before it is given up, and when a fallback takes over (seconds).

    Waits between tries are not a setting: 0, 0.5, 1, 2, 4, 8, 15, 15 … seconds with full jitter.
    """

    attempts: int = 60
    fallback_after_s: float = 10.0


class Publish(NamedTuple):
    """What other programs read: the Atom feed of CAP alerts, None for none; ``sender`` is never empty."""

    feed: Path | None = None
    sender: str = "campus"
    url: str = ""


class LedgerAt(NamedTuple):
    """How the file names a shared ledger: by a reference, or as text; ``where`` is its line."""

    source: Literal["env", "file", "credential", "text"]
    name: str
    where: str


class Reach(NamedTuple):
    """Where providers reach us: our public address without a final slash, and where we listen for it."""

    public_url: str
    host: str
    port: int

    @property
    def local_url(self) -> str:
        """The address as a simulator on this machine reaches it, past any proxy."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


class OnCall(NamedTuple):
    """Who looks after this system. ``calendar`` and ``signal`` are addresses, ``$NAME`` in the environment.

    ``channels`` is empty for the first channel that texts and the first that mails.
    """

    roster: Path
    calendar: str = ""
    channels: tuple[str, ...] = ()
    escalate_after: timedelta = timedelta(minutes=5)
    probe_every: timedelta = timedelta(minutes=10)
    signal: str = ""


class Config(NamedTuple):
    """The whole file. Paths are absolute; those in the file are relative to its folder.

    ``channels`` holds the channels that may be used now, in the order of the file. ``off`` names the
    others and says why. ``callbacks`` is None where no provider can reach us. ``warnings`` are what does
    not stop an alert, and will be missed later. ``digest`` is the SHA-256 of the file in hex.
    """

    path: Path
    digest: str
    campus: Campus
    state: Path
    templates: Path
    audiences: Mapping[str, AudienceFile]
    defaults: Defaults
    retry: Retry
    channels: tuple[ChannelSettings, ...]
    off: Mapping[str, str]
    callbacks: Reach | None = None
    monitor: tuple[str, int] | None = None  #: host and port for monitors of our own
    warnings: tuple[Problem, ...] = ()
    checkpoints: Path | None = None  #: a second place for signed heads of the audit log
    retain_days: int | None = None  #: people are forgotten that long after an alert came to rest
    publish: Publish = Publish()
    on_call: OnCall | None = None
    operators: Path | None = None  #: the file of operators, where another than ``operators.yaml`` is named
    ledger: LedgerAt | None = None  #: the PostgreSQL the record is on; None for a file of this machine

    def channel(self, name: str) -> ChannelSettings:
        """Return the channel of this name.

        Raises:
            UsageProblem: there is none, or it is off.
        """
        for channel in self.channels:
            if channel.name == name:
                return channel
        if name in self.off:
            raise UsageProblem(Problem(where=name, what=self.off[name], fix="use another channel"))
        raise _no_such("channel", name, (channel.name for channel in self.channels))

    def audience(self, name: str) -> AudienceFile:
        """Return the audience of this name.

        Raises:
            UsageProblem: there is none.
        """
        if name in self.audiences:
            return self.audiences[name]
        raise _no_such("audience", name, self.audiences)


def _no_such(what: str, name: str, names: Iterable[str]) -> UsageProblem:
    return UsageProblem(Problem(where="", what=f'no {what} "{name}"', fix=suggestion(name, names)))


def suggestion(word: str, words: Iterable[str]) -> str:
    """Return what to write instead of a word: the one that is near, or all there are."""
    import difflib

    known = list(words)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if near or len(known) == 1:
        return f"write {(near or known)[0]}"
    return f"write one of {', '.join(known)}" if known else "take it out"
