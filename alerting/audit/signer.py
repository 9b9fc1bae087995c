"""The two secrets of the audit: the key that signs checkpoints, and the key of stand-ins.

Both are made on first use, in the state directory, readable by its owner only. The public half of the
signing key is printed then; note it down elsewhere, or whoever owns the machine can exchange both.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alerting.errors import LedgerUnavailable, Problem, UsageProblem

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

#: File names in the state directory.
SIGNING: Final = "audit-signing.key"
STAND_INS: Final = "audit.key"
#: Ed25519 in the signed note format.  https://c2sp.org/signed-note
_ALGORITHM: Final = b"\x01"
_HASH_BYTES: Final = 4
_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Verifier:
    """Who can check a signature: ``name+hash+key``, as the signed note format writes it."""

    name: str
    key: bytes

    @property
    def hash(self) -> bytes:
        """The four bytes that tell keys of one name apart."""
        return _key_hash(self.name, self.key)

    @property
    def text(self) -> str:
        """The line to note down."""
        return f"{self.name}+{self.hash.hex()}+{base64.b64encode(_ALGORITHM + self.key).decode()}"

    @classmethod
    def parse(cls, text: str) -> Verifier:
        """Read the line.

        Raises:
            UsageProblem: it is not such a line.
        """
        try:
            name, mark, coded = text.strip().split("+", 2)
            raw = base64.b64decode(coded, validate=True)
        except (ValueError, binascii.Error):
            raise UsageProblem(_no_key(text)) from None
        found = cls(name, raw[1:])
        if raw[:1] != _ALGORITHM or len(found.key) != _KEY_BYTES or found.hash.hex() != mark:
            raise UsageProblem(_no_key(text))
        return found

    def agrees(self, text: bytes, signature: bytes) -> bool:
        """Say whether a signature is this key's, over this text."""
        from cryptography.exceptions import InvalidSignature

        try:
            self._public().verify(signature, text)
        except InvalidSignature:
            return False
        return True

    def _public(self) -> Ed25519PublicKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        return Ed25519PublicKey.from_public_bytes(self.key)


def has_keys(state: Path) -> bool:
    """Say whether both keys are in a state directory."""
    return all((state / name).exists() for name in (SIGNING, STAND_INS))


class Signer:
    """Signs texts in a name. The key never leaves this object."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        self.name, self._key = name, key

    @classmethod
    def of(cls, state: Path, name: str) -> tuple[Signer, bool]:
        """Return the signer of a state directory, and whether its key was made just now.

        Raises:
            LedgerUnavailable: the key cannot be read, made, or is open to others.
        """
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        raw, fresh = _secret(state / SIGNING)
        return cls(name, Ed25519PrivateKey.from_private_bytes(raw)), fresh

    @property
    def verifier(self) -> Verifier:
        """The public half."""
        return Verifier(self.name, self._key.public_key().public_bytes_raw())

    def sign(self, text: bytes) -> bytes:
        """Return the signature of a text, 64 bytes."""
        return self._key.sign(text)


def stand_in_key(state: Path, *, make: bool = True) -> bytes | None:
    """Return the key of stand-ins, made when there is none and ``make`` says so.

    Raises:
        LedgerUnavailable: it cannot be read or made.
    """
    path = state / STAND_INS
    if not make and not path.exists():
        return None
    return _secret(path)[0]


def _secret(path: Path) -> tuple[bytes, bool]:
    try:
        fresh = _make(path)
        mode = path.stat().st_mode & 0o077
        raw = bytes.fromhex(path.read_text("ascii").strip())
    except OSError as error:
        raise LedgerUnavailable(
            Problem(where=str(path), what=f"cannot be used ({error.strerror})")
        ) from error
    except ValueError:
        raw, mode, fresh = b"", 0, False
    if mode:
        what, fix = "other accounts of this machine can read it", f"chmod 600 {path}"
        raise LedgerUnavailable(Problem(where=str(path), what=what, fix=fix))
    if len(raw) != _KEY_BYTES:
        fix = "restore it from a backup; a new one cannot vouch for old checkpoints"
        raise LedgerUnavailable(Problem(where=str(path), what="is not a key of ours", fix=fix))
    return raw, fresh


def _make(path: Path) -> bool:
    """Make a key file whole or not at all; say whether it was this process that made it."""
    if path.exists():
        return False
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, secrets.token_hex(_KEY_BYTES).encode() + b"\n")
        os.fsync(fd)
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        os.close(fd)
        draft.unlink(missing_ok=True)
    return True


def _key_hash(name: str, key: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ALGORITHM + key).digest()[:_HASH_BYTES]


def _no_key(text: str) -> Problem:
    fix = "write the line that `alert audit key` printed: name+hash+key"
    return Problem(where="--public-key", what=f"{text[:20]!r} is not a public key", fix=fix)
