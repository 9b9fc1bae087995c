"""Tokens for scripts: made once, shown once, kept as hashes."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Final

from alerting.named import NamedTuple

#: Begins every token, so that one in the wrong place can be found by looking for it.
PREFIX: Final = "alert_"
_BYTES: Final = 32
_LINE: Final = r"(?P<person>[a-z0-9][a-z0-9-]*) (?P<hash>[0-9a-f]{64}) (?P<made>\S+)"


class Token(NamedTuple):
    """A token as kept: whose it is, the SHA-256 in hex, and when it was made (ISO)."""

    person: str
    hash: str
    made: str

    @property
    def line(self) -> str:
        """The line of the file."""
        return f"{self.person} {self.hash} {self.made}"


def new_token() -> str:
    """Return a fresh token of 256 random bits; a plain hash keeps such a one safe."""
    return PREFIX + secrets.token_urlsafe(_BYTES)


def hash_of(text: str) -> str:
    """Return the hash of a token as it is kept."""
    return hashlib.sha256(text.strip().encode()).hexdigest()


def read_tokens(text: str) -> tuple[list[Token], list[int]]:
    """Read the file of tokens; return them, and the numbers of lines that are none."""
    tokens: list[Token] = []
    wrong: list[int] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = re.fullmatch(_LINE, line.strip())
        if match:
            tokens.append(Token(person=match["person"], hash=match["hash"], made=match["made"]))
        else:
            wrong.append(number)
    return tokens, wrong
