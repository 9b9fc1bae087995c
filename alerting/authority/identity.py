"""Who somebody is, by what the kernel knows of their process, never by what they say."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from alerting.named import NamedTuple

#: What the kernel keeps for a process nobody logged in to start.  proc(5), loginuid
_NOBODY: Final = 4294967295


class Peer(NamedTuple):
    """A process as the kernel names it: the user it runs as, and its number."""

    uid: int
    pid: int


def this_process() -> Peer:
    """Return ourselves."""
    return Peer(uid=os.getuid(), pid=os.getpid())


def accounts_of(peer: Peer) -> tuple[str, ...]:
    """Return names a process is known by: the account it runs as, then the one that logged in.

    The second is kept through ``sudo`` and ``su``, so that people who share a service account stay
    themselves. Each account is given by number too: names may come from a directory that is down.
    """
    told: list[str] = []
    for uid in (peer.uid, _login(peer.pid)):
        if uid is not None:
            told += [*_name(uid), str(uid)]
    return tuple(dict.fromkeys(told))


def _name(uid: int) -> tuple[str, ...]:
    import pwd

    try:
        return (pwd.getpwuid(uid).pw_name,)
    except KeyError:
        return ()


def _login(pid: int) -> int | None:
    try:
        uid = int(Path(f"/proc/{pid}/loginuid").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return None if uid == _NOBODY else uid
