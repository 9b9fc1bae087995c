"""What a person is told when something goes wrong: a sentence, an exit code, never a traceback."""

from __future__ import annotations

import errno
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from alerting.cli.keyboard import deafen
from alerting.cli.words import clean
from alerting.errors import AlertingError, ConfigProblem, Exit
from alerting.openfiles import ADVICE, SPENT

#: What a full disk, a quota, a limit and a terminal that was closed say to whoever writes there.
_UNHEARD: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def tell(error: Exception) -> int:
    """Print what went wrong to stderr and return the exit code."""
    if isinstance(error, AlertingError | ConfigProblem):
        for problem in error.problems:
            _say(f"alert: {clean(str(problem))}")
        return error.exit_code
    if (usage := _usage(error)) is not None:
        if usage:
            _say(f"alert: {clean(usage)}")
        return Exit.USAGE
    if isinstance(error, FileNotFoundError) and _astray():
        _say("alert: the folder this was started in is gone; cd to another, or back, and repeat it")
        return Exit.USAGE
    if isinstance(error, OSError) and error.errno in _UNHEARD and error.filename is None:
        deafen()
        _say(f"alert: stdout: {error.strerror}, so this was not told whole; what was done is on record")
        return Exit.BUG
    if isinstance(error, OSError) and error.errno in SPENT:
        _say(f"alert: {clean(str(error.filename or 'this program'))}: {error.strerror}; {ADVICE}")
        return Exit.USAGE
    return _bug(error)


def _astray() -> bool:
    """Whether the folder we are in has been removed, so that nothing told relative to it can be found."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False


def _usage(error: Exception) -> str | None:
    """Return the words of a mistake on the command line; None for anything else."""
    shown = getattr(error, "format_message", None)
    if shown is None:
        return "Left. Nothing was sent." if type(error).__name__ == "Abort" else None
    context = getattr(error, "ctx", None)
    hint = f" (`{context.command_path} --help` explains)" if context else ""
    return f"{shown()}{hint}"


def _bug(error: Exception) -> int:
    """Keep the details in a file for whoever mends it; the officer gets one sentence."""
    import tempfile
    import traceback

    _say(f"alert: this program failed ({type(error).__name__}). What is on record is safe: `alert status`.")
    with suppress(OSError):  # a full disk may be what made it fail
        with tempfile.NamedTemporaryFile("w", prefix="alert-failed-", suffix=".txt", delete=False) as file:
            file.writelines(traceback.format_exception(type(error), error, error.__traceback__, chain=False))
        _say(f"alert: details for whoever mends it: {file.name}")
    return Exit.BUG


def _say(text: str) -> None:
    try:
        print(text, file=sys.stderr)  # noqa: T201
    except OSError:  # the exit code still says it
        deafen(sys.stderr)
