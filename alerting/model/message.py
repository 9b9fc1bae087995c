"""What is said: a message rendered once, and the content it becomes on each channel."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from alerting.named import NamedTuple


class Unit(StrEnum):
    """How a channel counts the length of a text."""

    CHARACTERS = "characters"  #: Unicode code points after NFC
    WEIGHTED = "weighted"  #: X's weighted length: most Latin 1, CJK and emoji 2, any link 23
    SEGMENTS = "segments"  #: parts an SMS is billed and queued as


class Shape(NamedTuple):
    """What fits a channel.

    ``slots`` are the message blocks the channel reads, best first: ``("sms", "message")`` takes the
    template's ``sms`` block and falls back to ``message``.
    """

    unit: Unit
    limit: int
    slots: tuple[str, ...] = ("message",)
    subject: bool = False
    html: bool = False


class Message(NamedTuple):
    """A template rendered once, channel-neutral: its blocks by name, already filled.

    ``message`` is always there. Others (``sms``, ``post``, ``subject``, ``email``, ``email_html``)
    are there only where the template overrides.
    """

    blocks: Mapping[str, str]
    language: str = ""

    def block(self, *names: str) -> str | None:
        """Return the first of these blocks that the message has."""
        return next((self.blocks[name] for name in names if name in self.blocks), None)


class Content(NamedTuple):
    """A message fitted to one channel's shape, with its measured size in the shape's unit."""

    text: str
    size: int
    limit: int
    unit: Unit
    subject: str = ""
    html: str = ""
    notes: tuple[str, ...] = ()  #: what the measuring found, in words: "1 segment, GSM-7, 142 of 160"
    extra: Mapping[str, str] = MappingProxyType({})
