"""Where what was read and checked is kept, so that the next command need not do it again.

Files of the state directory, for this user alone: plain JSON under a checksum of its own. One is used only
while everything that shaped it is the same, byte for byte. Whatever is odd about it, it is as if it were not
there; and that it cannot be written stops nobody.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import zlib
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

#: What reading something kept raises where it is odd; each is met as if nothing were there.
ODD: Final = (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, RecursionError)
_SIZE_MOST: Final = 4 << 20  # bytes


def text_of(raw: bytes) -> str:
    """Return bytes as JSON can hold them: every one has its letter in Latin 1."""
    return raw.decode("latin-1")


def files_of(rooms: Collection[str]) -> list[list[str | int]]:
    """Return size and time of every file of this program that shapes a result.

    To be asked when a module is imported: a process may outlive an update of its files, and must not keep
    under the marks of the new program what the old one has found.
    """
    root, found = Path(__file__).parent.parent, []
    for name in rooms:
        found += _files(os.path.join(root, name))  # noqa: PTH118 - a hundred times as fast as a Path
    return sorted(found)


def program(version: int, files: list[list[str | int]]) -> list[Any]:
    """Return which program keeps something; ``version`` is raised when the form of what is kept changes."""
    return [version, sys.hexversion, files]


def _files(place: str) -> list[list[str | int]]:
    if place.endswith(".py"):
        told = os.stat(place)  # noqa: PTH116 - see above
        return [[place, told.st_size, told.st_mtime_ns]]
    with os.scandir(place) as entries:
        below = [entry.path for entry in entries if entry.is_dir() or entry.name.endswith(".py")]
    return [told for inner in below if not inner.endswith("__pycache__") for told in _files(inner)]


def read(kept: Path, wanted: Mapping[str, object], word: str) -> Any:
    """Return what is kept under a word with these marks.

    Raises:
        OSError, ValueError, KeyError, TypeError: there is nothing to rely on; see ``ODD``.
    """
    checksum, _, text = _own(kept).partition(b"\n")
    if _checksum(text) != checksum:
        raise ValueError("damaged")
    told = json.loads(text)
    if any(told[name] != mark for name, mark in wanted.items()):
        raise ValueError("of something else")
    return told[word]


def write(kept: Path, told: Mapping[str, object]) -> None:
    """Keep marks and what they stand for, where there is a state directory."""
    draft = kept.with_name(f".{kept.name}.{os.getpid()}")
    try:
        text = json.dumps(told).encode()
        with suppress(OSError):
            number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(number, "wb") as file:
                file.write(_checksum(text) + b"\n" + text)
            draft.replace(kept)
    except (ValueError, RecursionError):
        return
    finally:
        with suppress(OSError):
            draft.unlink()


def _checksum(text: bytes) -> bytes:
    """Return what a damaged file would not have. Whoever may write it may write this, too."""
    return b"%08x" % zlib.crc32(text)


def _own(kept: Path) -> bytes:
    """Return a file's bytes, if it is a plain file of this user that nobody else may touch.

    Raises:
        OSError: it is not there, or not that.
    """
    number = os.open(kept, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(number, "rb") as file:
        told = os.fstat(number)
        ours = told.st_uid == os.geteuid() and not told.st_mode & 0o077
        if not (stat.S_ISREG(told.st_mode) and ours and told.st_size <= _SIZE_MOST):
            raise OSError("not a file of ours")
        return file.read()
