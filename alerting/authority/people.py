"""The people of ``operators.yaml``: what each may do, and how this host knows them."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from alerting.authority.tokens import Token, hash_of
from alerting.named import NamedTuple


class Role(StrEnum):
    """What somebody may do. A role gives what stands here and nothing else; people may have several."""

    SENDER = "sender"  #: sends, follows up, cancels, runs drills, asks for approval
    APPROVER = "approver"  #: approves what others ask for; cancels; never approves their own
    TEMPLATE_EDITOR = "template-editor"  #: puts the mark "reviewed" on a template
    VIEWER = "viewer"  #: looks, and changes nothing
    ADMIN = "admin"  #: makes tokens, and reviews templates


class Ground(StrEnum):
    """Why one person alone may not send an alert."""

    CLASS = "class"  #: its template says `class: standard`
    UNREVIEWED = "unreviewed"  #: nobody has reviewed the template as it is now
    FREE_TEXT = "free-text"  #: the officer writes more than a note into it
    LARGE_LIST = "large-list"  #: it goes to more people than `large_list`
    PUBLIC_DRILL = "public-drill"  #: a drill that the public sees


class Rules(NamedTuple):
    """What asks for a second person, and how long an approval may take.

    ``immediate_alone`` False makes every real alert wait for a second person. More than ``broadcasts``
    real alerts within ``WITHIN`` are asked about once more.
    """

    approval: timedelta = timedelta(minutes=10)
    large_list: int = 100_000
    grounds: frozenset[Ground] = frozenset(Ground)
    immediate_alone: bool = True
    broadcasts: int = 3


#: In which time real alerts are counted.
WITHIN: Final = timedelta(minutes=10)


class Person(NamedTuple):
    """Somebody who may work with this program. ``accounts`` are users of this machine, or their numbers."""

    key: str
    name: str
    roles: frozenset[Role]
    accounts: tuple[str, ...] = ()

    def may(self, roles: frozenset[Role]) -> bool:
        """Whether they have one of these roles."""
        return bool(self.roles & roles)


class Operators(NamedTuple):
    """The whole file, with the tokens beside it."""

    path: Path
    people: Mapping[str, Person]
    tokens: tuple[Token, ...] = ()
    rules: Rules = Rules()

    def with_account(self, *accounts: str) -> Person | None:
        """Return who has the first of these accounts that anybody has."""
        for account in accounts:
            for person in self.people.values():
                if account in person.accounts:
                    return person
        return None

    def with_token(self, text: str) -> Person | None:
        """Return whose token this is; None for one that was never made, or was taken out."""
        given = hash_of(text)
        found = [token for token in self.tokens if hmac.compare_digest(token.hash, given)]
        return self.people.get(found[0].person) if found else None

    def having(self, role: Role) -> tuple[Person, ...]:
        """Return everybody with a role."""
        return tuple(person for person in self.people.values() if role in person.roles)
