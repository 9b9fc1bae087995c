"""``channels.yaml`` as it was checked last, kept so that the next command need not check it again.

Reading and checking the file takes longer than most commands have. The checked result lies in the state
directory, for this user alone, as plain JSON under a checksum of its own. It is used only while the file, its
place, this program and what was asked are the same, byte for byte. It holds references to secrets, never a
secret: those are looked up each time. Whatever is odd about it, it is as if it were not there.
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys
import zlib
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alerting.config.codec import Recorder, Unkeepable, plain, revived

if TYPE_CHECKING:
    from alerting.config.model import Config

#: Raised when the form of what is kept changes.
_VERSION: Final = 3
_SIZE_MOST: Final = 4 << 20  # bytes
#: Where the file itself says the state directory is; a wrong guess finds nothing, and nothing more.
_STATE: Final = re.compile(
    rb"""(?m)^state:[ \t]*(["']?)([^\s"'#{}\[\],&*!|>%@`][^"'#\r\n]*?)\1[ \t]*(?:#.*)?\r?$"""
)
#: What a file of alerts' channels may be called; one of drills' alone knows too few.
_LIVE, _INVENTED = ("true", "none"), ("true", "false")
#: What of this program shapes the result.
_SHAPING: Final = ("config", "channels", "audience", "secret.py")


def load_kept(
    path: Path,
    *,
    environ: Mapping[str, str],
    state: Path | None = None,
    sandbox: bool = False,
    live: bool | None = True,
    without: Collection[str] = (),
) -> Config:
    """Return the configuration, as kept or read anew; see ``load``. ``state`` overrules the file's own.

    What leaves channels out is rare, and read in full.

    Raises:
        ConfigProblem: the file cannot be used; it lists every problem, each with its line.
        UsageProblem: ``without`` names a channel that the file does not have.
    """
    from alerting.config.secrets import resolver

    if without:
        from alerting.config.load import load

        return load(path, environ=environ, sandbox=sandbox, live=live, without=without)
    try:
        raw = path.read_bytes()
    except OSError:
        raw = b""
    folder, by = state or path.absolute().parent / _guess(raw), _by(path)
    secrets = Recorder(resolver(environ, path, sandbox=sandbox))
    # What passed with real credentials passes with invented ones: who only looks goes by that, too.
    for invented in (True, False) if sandbox else (False,):
        wanted = {"by": by, "asked": _asked(raw, path, sandbox=invented, live=live)}
        if found := _read(_place(folder, sandbox=invented, live=live), wanted, secrets):
            return found
    from alerting.config.load import digest_of, load

    config = load(path, environ=environ, sandbox=sandbox, live=live, secrets=secrets)
    if config.digest == digest_of(raw) and folder in (state, config.state):
        marks = {"by": by, "asked": _asked(raw, path, sandbox=sandbox, live=live)}
        _write(_place(folder, sandbox=sandbox, live=live), marks, config, secrets)
    return config


def last_checked(
    path: Path, *, environ: Mapping[str, str], state: Path | None = None
) -> tuple[Config, datetime] | None:
    """Return what the file said when this program last found it in order, and when that was kept.

    For whoever must look or stop while the file is broken. Its secrets are invented: it cannot send.
    """
    from alerting.config.secrets import resolver

    try:
        raw = path.read_bytes()
    except OSError:
        raw = b""
    folder, wanted = state or path.absolute().parent / _guess(raw), {"by": _by(path)}
    found = []
    for kept in (folder / f"checked-{live}-{invented}.json" for live in _LIVE for invented in _INVENTED):
        secrets = Recorder(resolver(environ, path, sandbox=True))
        if config := _read(kept, wanted, secrets):
            found.append((config, datetime.fromtimestamp(kept.stat().st_mtime, UTC)))
    return max(found, key=lambda one: one[1], default=None)


def _guess(raw: bytes) -> str:
    found = _STATE.search(raw)
    return os.fsdecode(found[2]) if found else "state"


def _place(folder: Path, *, sandbox: bool, live: bool | None) -> Path:
    return folder / f"checked-{live}-{sandbox}.json".lower()


def _asked(raw: bytes, path: Path, *, sandbox: bool, live: bool | None) -> list[Any]:
    """Return what was read, and how; every byte has its letter in Latin 1."""
    return [str(path), sandbox, live, raw.decode("latin-1")]


def _by(path: Path) -> list[Any]:
    """Return which program kept something, and for which file, whatever that said."""
    return [_VERSION, sys.hexversion, str(path.absolute()), _program()]


def _program() -> list[list[str | int]]:
    """Return size and time of every file of this program that has a say in the result."""
    root, found = Path(__file__).parent.parent, []
    for name in _SHAPING:
        found += _files(os.path.join(root, name))  # noqa: PTH118 - a hundred times as fast as a Path
    return sorted(found)


def _files(place: str) -> list[list[str | int]]:
    if place.endswith(".py"):
        told = os.stat(place)  # noqa: PTH116 - see above
        return [[place, told.st_size, told.st_mtime_ns]]
    with os.scandir(place) as entries:
        below = [entry.path for entry in entries if entry.is_dir() or entry.name.endswith(".py")]
    return [told for inner in below if not inner.endswith("__pycache__") for told in _files(inner)]


# -- the file ---------------------------------------------------------------------------------------


def _read(kept: Path, wanted: Mapping[str, list[Any]], secrets: Recorder) -> Config | None:
    """Return what is kept under these marks, or None where there is nothing to rely on."""
    try:
        checksum, _, text = _own(kept).partition(b"\n")
        if _checksum(text) != checksum:
            return None
        told = json.loads(text)
        if any(told[name] != mark for name, mark in wanted.items()):
            return None
        config: Config = revived(told["config"], secrets)
        # A list that has gone is a warning; the full reading finds the words for it.
        there = "asked" not in wanted or all(audience.csv.is_file() for audience in config.audiences.values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, RecursionError):
        return None
    return config if there else None


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


def _write(kept: Path, marks: Mapping[str, list[Any]], config: Config, secrets: Recorder) -> None:
    """Keep a result, where there is a state directory; that it cannot be kept stops nobody."""
    draft = kept.with_name(f".{kept.name}.{os.getpid()}")
    try:
        text = json.dumps({**marks, "config": plain(config, secrets)}).encode()
        with suppress(OSError):
            number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(number, "wb") as file:
                file.write(_checksum(text) + b"\n" + text)
            draft.replace(kept)
    except (Unkeepable, ValueError, RecursionError):
        return
    finally:
        with suppress(OSError):
            draft.unlink()
