"""Who is at the keyboard, and what they look at. For those too who have no time to import more than this."""

from __future__ import annotations

import os
import sys

# Importing ``typing`` would take a fifth of what a command takes that is served by the owner of the record.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def who() -> tuple[str, str]:
    """Return who is at the keyboard, and where, as the audit records it."""
    import getpass

    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = f"uid {os.getuid()}"
    terminal = os.ttyname(sys.stdin.fileno()) if _tty(sys.stdin) else "no terminal"
    return name, f"{os.uname().nodename} {terminal}"


def interactive() -> bool:
    """Whether somebody can be asked."""
    return _tty(sys.stdin) and _tty(sys.stderr)


def colourful() -> bool:
    """Whether stdout is a terminal that wants colour (NO_COLOR, TERM=dumb say no)."""
    return _tty(sys.stdout) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def same(given: str, word: str) -> bool:
    """Whether somebody typed the word; case and blanks are not what matters."""
    return " ".join(given.split()).casefold() == " ".join(word.split()).casefold()


def deafen() -> None:
    """Let stdout lead nowhere: whoever read it has left."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tty(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False
