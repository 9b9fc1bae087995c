"""Who is told: typed addresses, and the people who own them."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from alerting.named import NamedTuple

#: A number of this length would be shown whole by its two ends: short codes, test numbers.
_SHORT: Final = 8


class AddressKind(StrEnum):
    """What an address is; each channel takes exactly one kind."""

    PHONE = "phone"  #: E.164, for example ``+15550100``
    EMAIL = "email"  #: normalised mailbox
    FEED = "feed"  #: a public feed, an address of one: ``x/campus``


class Address(NamedTuple):
    """A typed address in normal form; its text is ``kind:value``."""

    kind: AddressKind
    value: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read ``kind:value``.

        Raises:
            ValueError: the kind is unknown or the value is empty.
        """
        kind, _, value = text.partition(":")
        if not value:
            raise ValueError(f"{text!r} is not an address; write kind:value, for example phone:+15550100")
        return cls(AddressKind(kind), value)

    def __str__(self) -> str:
        """Return ``kind:value``."""
        return f"{self.kind}:{self.value}"

    @property
    def masked(self) -> str:
        """The address as logs and screens may show it: ``phone:+15***0100``, ``email:a***@example.edu``."""
        match self.kind:
            case AddressKind.PHONE if len(self.value) <= _SHORT:
                return f"phone:{self.value[:2]}***"
            case AddressKind.PHONE:
                return f"phone:{self.value[:3]}***{self.value[-4:]}"
            case AddressKind.EMAIL:
                local, _, domain = self.value.rpartition("@")
                return f"email:{local[:1] if local[1:] else ''}***@{domain}"
            case AddressKind.FEED:
                return str(self)


class Recipient(NamedTuple):
    """A person of an audience, with every address they can be reached at."""

    addresses: tuple[Address, ...]
    id: str = ""  #: the campus's own id, if the list has one
    language: str = ""  #: BCP 47, empty for the campus's own
    groups: tuple[str, ...] = ()
    line: int = 0  #: where the list says so; 0 when it has no lines
