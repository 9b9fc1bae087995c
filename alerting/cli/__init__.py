"""The ``alert`` command. It starts fast: a command's code is read only when that command is called."""

from __future__ import annotations

import gc
import os
import sys
from io import TextIOWrapper

# See keyboard.py.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

#: Options that mean the same anywhere on the line, and whether they take a word.
_ANYWHERE: Final = {
    "--sandbox": False,
    "--local": False,
    **dict.fromkeys(("--config", "--state", "--without", "--token-file"), True),
}

#: Objects more than before, until garbage is looked for (the interpreter's own figure is 700).
_GARBAGE_AFTER: Final = 100_000
#: What typer makes of Ctrl-C that no command has taken up, as shells do.
_INTERRUPTED: Final = 130
#: Exit.RUNNING: what was asked for goes on without this command.
_RUNNING: Final = 8


def main() -> None:
    """Run the command line and leave with its exit code."""
    # Importing makes objects by the hundred thousand, all of which stay; looking through them again and
    # again for garbage takes a third of the time that importing does.
    gc.set_threshold(_GARBAGE_AFTER)
    _have_streams()
    try:
        code = _code()
    except KeyboardInterrupt:
        code = _INTERRUPTED
    _leave_lightly()
    if code == _INTERRUPTED:
        _left()
    if code == _RUNNING and "alerting.cli.launch" in sys.modules:
        _leave_at_once(_RUNNING)
    sys.exit(int(code or 0))


def _code() -> Any:
    try:
        return _run(_hoisted(sys.argv[1:]))
    except SystemExit as left:
        # click turns a pipe that was closed early into code 1; a reader may have had enough.
        return _unheard() if isinstance(left.__context__, BrokenPipeError) else left.code
    except BrokenPipeError:
        return _unheard()
    except Exception as error:  # noqa: BLE001 - the last resort: a sentence, never a traceback
        return _told(error)


def _have_streams() -> None:
    """Let no alert depend on where its command prints: to nowhere at all, or in another alphabet.

    What was closed is opened in its order, so that it gets its own number, and the ledger never does.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115 - to the end
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.encoding.lower() != "utf-8":
            stream.reconfigure(errors="backslashreplace")


def _leave_lightly() -> None:
    """Let the interpreter end without looking through all that was imported: a fifth of a command's time.

    A Ctrl-C from here on comes when all has been said, and would only take the exit code away. Whoever opened
    an alert has ``signal`` at hand.
    """
    if (signal := sys.modules.get("signal")) is not None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()


def _leave_at_once(code: int) -> None:
    """End without taking this program apart, which shares its memory with the sender it has started.

    Whatever is let go of has its page copied first: 13 ms of CPU, just when the first post leaves. What was
    printed is out by now, and what this command still reads may be left open.
    """
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _run(argv: list[str]) -> Any:
    if "_ALERT_COMPLETE" not in os.environ:
        from alerting.cli.front import through_owner

        code = through_owner(argv)
        if code is None:
            from alerting.cli.straight import sent

            code = sent(argv)
        if code is not None:
            return code
    from alerting.cli.group import build

    if os.environ.get("_ALERT_COMPLETE") == "complete_bash":
        from alerting.cli.complete import rejoin

        rejoin(os.environ)
    return build()(args=argv, prog_name="alert", standalone_mode=False)


def _hoisted(argv: list[str]) -> list[str]:
    """Put options of the whole program first, wherever they were typed."""
    front: list[str] = []
    rest: list[str] = []
    words = iter(argv)
    for word in words:
        if word == "--":
            rest += [word, *words]
            break
        name = word.split("=", 1)[0]
        if name not in _ANYWHERE:
            rest.append(word)
            continue
        front.append(word)
        if _ANYWHERE[name] and "=" not in word:
            front += [value for value in [next(words, None)] if value is not None]
    return front + rest


def _unheard() -> int:
    from alerting.cli.face import deafen

    deafen()
    return 0


def _left() -> None:
    """Say no more than is certain: nobody knows here what was done before the key was pressed."""
    from alerting.cli.face import note

    note("\nLeft before the end. What was done by then is on record: `alert status`.")


def _told(error: Exception) -> int:
    from alerting.cli.wrong import tell

    return tell(error)
