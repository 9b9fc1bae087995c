"""Who is at the keyboard, and what they look at. For those too who have no time to import more than this."""

from __future__ import annotations

import os
import sys

# Importing ``typing`` would take a fifth of what a command takes that is served by the owner of the record.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final, Self

#: How much of a word must be there for a slip: two of "Baker Hall"'s ten letters may be wrong.
_ALMOST: Final = 0.8


class Presses:
    """Counts Ctrl-C while an answer is awaited; one more than the ``patience`` allows raises.

    Raised by a first one, just when the answer has been read, the exception would take the answer with it.
    """

    def __init__(self, patience: int = 1) -> None:
        self._patience, self.count = patience, 0

    def __enter__(self) -> Self:
        """Begin to count, unless whoever started this command wants Ctrl-C ignored."""
        import signal

        self._heeded = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._heeded:
            signal.signal(signal.SIGINT, self._pressed)
        return self

    def __exit__(self, *_: object) -> None:
        """Let Ctrl-C be what it was."""
        import signal

        if self._heeded:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _pressed(self, *_: object) -> None:
        self.count += 1
        if self.count > self._patience:
            raise KeyboardInterrupt


def who() -> tuple[str, str]:
    """Return who is at the keyboard, and where, as the audit records it."""
    import getpass

    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = f"uid {os.getuid()}"
    # Bytes that are no text here can be kept nowhere; nobody's name keeps them from sending or stopping.
    name = name.encode("utf-8", "backslashreplace").decode()
    terminal = os.ttyname(sys.stdin.fileno()) if _tty(sys.stdin) else "no terminal"
    return name, f"{os.uname().nodename} {terminal}"


def interactive() -> bool:
    """Whether somebody can be asked."""
    return _tty(sys.stdin) and _tty(sys.stderr)


def colourful() -> bool:
    """Whether stdout is a terminal that wants colour (NO_COLOR, TERM=dumb say no)."""
    return _tty(sys.stdout) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def typed(question: str, word: str) -> None:
    """Have a word typed.

    Raises:
        NotConfirmed: another one was, or none.
    """
    answer = asked(question)
    if not same(answer, word) and near(answer, word):
        from alerting.cli.words import clean

        # A slip costs one line, not the whole command again. Enter, "y" and another place are no slips.
        answer = asked(clean(f"Almost. Type {word} to send, or Ctrl-C: "))
    if not same(answer, word):
        from alerting.errors import NotConfirmed

        raise NotConfirmed("that was not the word; nothing was sent")


def near(given: str, word: str) -> bool:
    """Whether somebody meant to type the word: all but a slip of it is there."""
    from difflib import SequenceMatcher

    answer, wanted = (" ".join(text.split()).casefold() for text in (given, word))
    return SequenceMatcher(None, answer, wanted).ratio() >= _ALMOST


def same(given: str, word: str) -> bool:
    """Whether somebody typed the word; case and blanks are not what matters."""
    return " ".join(given.split()).casefold() == " ".join(word.split()).casefold()


def deafen(stream: Any = None) -> None:
    """Let stdout (or this one) lead nowhere, with what waits in it: whoever read it has left."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), (stream or sys.stdout).fileno())


def asked(question: str) -> str:
    """Return the line somebody types; nothing when the terminal was closed, or where it is no text."""
    try:
        sys.stderr.write(question)
        sys.stderr.flush()
        return sys.stdin.readline()
    except (OSError, UnicodeDecodeError):
        return ""


def _tty(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False
