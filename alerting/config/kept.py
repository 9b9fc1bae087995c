"""``channels.yaml`` as it was checked last, kept so that the next command need not check it again.

Reading and checking the file takes longer than most commands have. The checked result lies on a shelf of
the state directory (``shelf.py``), while the file, its place, this program and what was asked are the same.
It holds references to secrets, never a secret: those are looked up each time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alerting.config import shelf
from alerting.config.codec import Recorder, Unkeepable, plain, revived

if TYPE_CHECKING:
    from alerting.config.model import Config

#: Raised when the form of what is kept changes.
_VERSION: Final = 3
#: Where the file itself says the state directory is; a wrong guess finds nothing, and nothing more.
_STATE: Final = re.compile(
    rb"""(?m)^state:[ \t]*(["']?)([^\s"'#{}\[\],&*!|>%@`][^"'#\r\n]*?)\1[ \t]*(?:#.*)?\r?$"""
)
#: What a file of alerts' channels may be called; one of drills' alone knows too few.
_LIVE, _INVENTED = ("true", "none"), ("true", "false")
#: What of this program shapes the result.
_FILES: Final = shelf.files_of(("config", "channels", "audience", "secret.py"))


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
        with suppress(Unkeepable):
            told = {**marks, "config": plain(config, secrets)}
            shelf.write(_place(folder, sandbox=sandbox, live=live), told)
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
    """Return what was read, and how."""
    return [str(path), sandbox, live, shelf.text_of(raw)]


def _by(path: Path) -> list[Any]:
    """Return which program kept something, and for which file, whatever that said."""
    return [*shelf.program(_VERSION, _FILES), str(path.absolute())]


def _revived(told: Any, secrets: Recorder, *, lists: bool) -> Config | None:
    """Return what was kept; None where one of its lists has gone: the full reading warns of that."""
    config: Config = revived(told, secrets)
    there = not lists or all(audience.csv.is_file() for audience in config.audiences.values())
    return config if there else None


def _read(kept: Path, wanted: Mapping[str, list[Any]], secrets: Recorder) -> Config | None:
    """Return what is kept under these marks, or None where there is nothing to rely on."""
    try:
        return _revived(shelf.read(kept, wanted, "config"), secrets, lists="asked" in wanted)
    except shelf.ODD:
        return None
