"""Somebody who can be called: a name, and the ways to reach them."""

from __future__ import annotations

from dataclasses import dataclass

from alerting.model.audience import Address, AddressKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One of the people of the roster. ``key`` is what shifts call them; ``name`` what others do."""

    key: str
    name: str = ""
    phone: Address | None = None
    email: Address | None = None

    @property
    def title(self) -> str:
        """What a screen shows."""
        return self.name or self.key

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Every way to reach them."""
        return tuple(one for one in (self.phone, self.email) if one)

    def address(self, kind: AddressKind) -> Address | None:
        """Return the address of one kind, or None."""
        return next((one for one in self.addresses if one.kind is kind), None)

    def called(self, word: str) -> bool:
        """Say whether a word of a calendar means this person: key, name, or mailbox."""
        known = {self.key.casefold(), self.name.casefold(), self.email.value.casefold() if self.email else ""}
        return word.casefold() in known - {""}
