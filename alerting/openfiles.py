"""How many files and connections a process may have open at once.

A login's own limit is 1,024 nearly everywhere, or less, although the machine would let any program have
many times as many. Connections count as well, and at the limit nothing can be read or imported either.
"""

from __future__ import annotations

import errno
import resource
import sys
from contextlib import suppress
from typing import Final

from alerting.errors import ConfigProblem, Problem

#: Record, log, socket and libraries take some 25, and every channel must have some connections.
LEAST: Final = 64
#: What this process, and what the whole machine, says at the limit.
SPENT: Final = frozenset({errno.EMFILE, errno.ENFILE})
ADVICE: Final = "allow more: `ulimit -n 1024`, or LimitNOFILE=1024 in its systemd unit"


def most() -> int:
    """Return how many the machine lets this process have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


def make_room() -> None:
    """Take as many as the machine lets this process have.

    Raises:
        ConfigProblem: they are too few to send with.
    """
    if most() < LEAST:
        what = f"{most()} files and connections may be open at once, and sending takes {LEAST}"
        raise ConfigProblem(Problem(where="ulimit -n", what=f"{what}; nothing was sent", fix=ADVICE))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # the walls around a service may refuse it
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
