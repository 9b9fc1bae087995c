"""Where a ledger may live: on a disk of this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from alerting.errors import LedgerUnavailable, Problem

#: File systems on which locks and shared memory do not do what SQLite needs.
#: https://www.sqlite.org/wal.html section 1, and howtocorrupt.html section 2.1
NETWORKED: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ncpfs", "glusterfs", "fuse.sshfs", "fuse.glusterfs"}
)
#: What tells the folder in which ``--sandbox`` keeps its record, as in cli/place.py.
_REHEARSED: Final = "sandbox.lock"
_MOUNTS: Final = Path("/proc/mounts")


def refuse_network(path: Path, mounts: Path = _MOUNTS) -> None:
    """Refuse a path on a network file system; where mounts cannot be listed, say nothing.

    Raises:
        LedgerUnavailable: the path is on NFS, SMB or the like.
    """
    try:
        table = mounts.read_text("utf-8", errors="replace")
    except OSError:
        return
    kind = file_system(os.path.realpath(path), table)
    if kind in NETWORKED:
        raise LedgerUnavailable(
            Problem(
                where=str(path),
                what=f"is on a network file system ({kind}), where locks cannot be trusted",
                fix="put the ledger on a disk of this machine",
            )
        )


def refuse_rehearsals(state: Path) -> None:
    """Refuse a configured state directory that is the sandbox's own.

    Whoever is at work there sends to stand-ins, which would take a real alert as well; and a real command
    would send to real people what a rehearsal has left.

    Raises:
        LedgerUnavailable: it is.
    """
    if (state / _REHEARSED).exists():
        what = "is where --sandbox keeps what was rehearsed, and nothing real may go there or come from there"
        fix = "name the folder it lies in, with --sandbox for a rehearsal"
        raise LedgerUnavailable(Problem(where=str(state), what=what, fix=fix))


def file_system(path: str, table: str) -> str:
    """Return the kind of file system a real path is on, from a mount table; empty when not found."""
    best, kind = "", ""
    for line in table.splitlines():
        _, point, found, *_ = [*line.split(" "), "", "", ""]
        # The kernel writes blanks in mount points as octal escapes.
        place = point.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
        inside = path == place or path.startswith(place.rstrip("/") + "/")
        if place and inside and len(place) >= len(best):
            best, kind = place, found
    return kind
