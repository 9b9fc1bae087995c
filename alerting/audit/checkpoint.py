"""Signed copies of the audit chain's head, for places this program cannot rewrite.

A checkpoint is a signed note of three lines: whose log, how many acts, the head in base64.

::

    north-shore-university/alert-audit
    42
    LHvoVbSMl7i8+6wkk5Cr8VBlwVbKJ2vRMXOkkp7tx4M=

    — north-shore-university/alert-audit dGVzdA…

Source: https://c2sp.org/tlog-checkpoint and https://c2sp.org/signed-note. The head is that of a hash
chain, not of a tree: it proves the whole log, and nothing smaller.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alerting.audit.signer import Signer, Verifier
from alerting.errors import LedgerUnavailable, Problem, UsageProblem

_DASH: Final = "\N{EM DASH}"
_NAME: Final = re.compile(r"[^a-z0-9]+")
_HASH_BYTES: Final = 4
_HEAD_BYTES: Final = 32
_LINES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """How many acts there were, and the hash of the last one, in hex."""

    origin: str
    size: int
    head: str

    @property
    def text(self) -> str:
        """The three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(bytes.fromhex(self.head)).decode()}\n"

    def signed(self, signer: Signer) -> str:
        """Return the note: the text, a blank line, the signature."""
        signature = signer.verifier.hash + signer.sign(self.text.encode())
        return f"{self.text}\n{_DASH} {signer.name} {base64.b64encode(signature).decode()}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A checkpoint as it was found in a file, with whoever signed it."""

    checkpoint: Checkpoint
    signer: str
    key_hash: bytes
    signature: bytes

    def genuine(self, verifier: Verifier) -> bool:
        """Say whether this key signed it."""
        if (self.signer, self.key_hash) != (verifier.name, verifier.hash):
            return False
        return verifier.agrees(self.checkpoint.text.encode(), self.signature)


def origin_of(campus: str) -> str:
    """Return the name a campus's log goes by."""
    return f"{_NAME.sub('-', campus.lower()).strip('-') or 'campus'}/alert-audit"


def read(path: Path) -> list[Note]:
    """Return every checkpoint of a file, oldest first.

    Raises:
        UsageProblem: it cannot be read, or holds something else.
    """
    try:
        lines = [line for line in path.read_text("utf-8").split("\n") if line]
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise UsageProblem(Problem(where=str(path), what=f"cannot be read ({why})")) from error
    if not lines or len(lines) % (_LINES - 1):
        raise UsageProblem(_not_whole(path, len(lines)))
    return [
        _note(path, start, lines[start : start + _LINES - 1]) for start in range(0, len(lines), _LINES - 1)
    ]


def _note(path: Path, start: int, lines: list[str]) -> Note:
    origin, size, head, signed = lines
    try:
        dash, signer, coded = signed.split(" ")
        raw = base64.b64decode(coded, validate=True)
        digest = base64.b64decode(head, validate=True)
        count = int(size)
    except (ValueError, binascii.Error):
        raise UsageProblem(_not_whole(path, start)) from None
    if dash != _DASH or len(digest) != _HEAD_BYTES or str(count) != size:
        raise UsageProblem(_not_whole(path, start))
    return Note(
        checkpoint=Checkpoint(origin=origin, size=count, head=digest.hex()),
        signer=signer,
        key_hash=raw[:_HASH_BYTES],
        signature=raw[_HASH_BYTES:],
    )


def append(path: Path, note: str) -> None:
    """Add a note to the end of a file, on disk before this returns.

    Only ever appended to: the file may be one that cannot be rewritten.

    Raises:
        LedgerUnavailable: it cannot be written; the record itself is not touched by that.
    """
    try:
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.write(fd, note.encode())
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        fix = "make the folder, or correct audit.checkpoints in channels.yaml"
        what = f"the checkpoint cannot be written ({error.strerror})"
        raise LedgerUnavailable(Problem(where=str(path), what=what, fix=fix)) from error


def _not_whole(path: Path, line: int) -> Problem:
    fix = "use the file as it was written; nothing may be added or cut"
    return Problem(
        where=f"{path}", what=f"is not a file of whole checkpoints (near line {line + 1})", fix=fix
    )
