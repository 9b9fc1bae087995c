"""``alert send`` and ``alert preview`` where ``alert serve`` runs: asked of the process that is warm.

This end reads the words of the command line as far as it must to find the owner of the record, prints what
the owner says, has the word typed, and hands the decision over. It knows no option, renders nothing and
decides nothing: the owner reads the line with the same parser, plans with the same code, and passes the
same gate.
Whatever is not the plain way (a mistake, a refusal, a second person, an odd option, an owner of another
version or of another file, one that does not answer) is not told here: the command goes its whole way as if
nobody had been asked, and says it itself.

Nothing is imported here that the plain way does not need; ``tests/perf`` counts.
"""

from __future__ import annotations

import os
import sys

from alerting.cli import keyboard

# See keyboard.py.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Final

#: The version of the control socket, as in engine/control.py.
VERSION: Final = 1
_VERBS: Final = ("send", "preview")
_HELP: Final = frozenset({"-h", "--help"})
#: sun_path, as in engine/control.py; longer ones lie elsewhere, and are left to the whole way.
_LONGEST: Final = 100
#: An owner that has not planned by then is left alone, in seconds.
_PLANNED_S: Final = 1.5
_OPENED_S: Final = 30.0
_RUNNING: Final = 8  # Exit.RUNNING
_MOST: Final = 65_536


class Line:
    """What a command line says about the whole program, and the words after it."""

    def __init__(self, config: str, state: str, words: list[str]) -> None:
        self.config, self.state, self.words = config, state, words

    @classmethod
    def of(cls, argv: list[str]) -> Line | None:
        """Return a line that may be asked of the owner; options of the whole program stand first."""
        if (told := split(argv)) is None:
            return None
        config, state, words = told
        state = state or os.environ.get("ALERT_STATE", "")
        try:
            here = os.getcwd()  # noqa: PTH109
        except OSError:  # it was removed
            return None
        # Joined and not tidied up: `..` behind a link is for the kernel to follow.
        return cls(os.path.join(here, config), state and os.path.join(here, state), words)  # noqa: PTH118

    def socket(self) -> str:
        """Return where the owner listens, empty where there is none to be found."""
        folder = os.path.realpath(self.state or os.path.join(os.path.dirname(self.config), self._guess()))  # noqa: PTH118, PTH120
        path = os.path.join(folder, "engine.sock")  # noqa: PTH118
        return path if len(os.fsencode(path)) <= _LONGEST and os.path.exists(path) else ""  # noqa: PTH110

    def _guess(self) -> str:
        """Return where the file says the state directory is. The owner knows, and refuses a wrong guess."""
        try:
            with open(self.config, "rb") as file:  # noqa: PTH123
                named = [line for line in file.read(_MOST).splitlines() if line.startswith(b"state:")]
        except OSError:
            named = []
        told = named[0][len(b"state:") :].split(b" #")[0].strip().strip(b"\"'") if named else b"state"
        return os.fsdecode(told)


def split(argv: list[str]) -> tuple[str, str, list[str]] | None:
    """Return the configuration file, the state directory where the line names one, and what follows.

    None where it says more of the whole program, asks for help, or is of another command.
    """
    config, state, words = os.environ.get("ALERT_CONFIG") or "channels.yaml", "", list(argv)
    while words and words[0].startswith("--"):
        name, equals, value = words.pop(0).partition("=")
        if name not in ("--config", "--state") or not (equals or words):
            return None
        value = value if equals else words.pop(0)
        if not value:
            return None
        config, state = (value, state) if name == "--config" else (config, value)
    return (config, state, words) if words and words[0] in _VERBS and _HELP.isdisjoint(words) else None


def program() -> str:
    """Return what must be the same at both ends: this interpreter, and this file as it lies on the disk."""
    told = os.stat(__file__)  # noqa: PTH116
    return f"{sys.hexversion} {__file__} {told.st_size} {told.st_mtime_ns}"


def through_owner(argv: list[str]) -> int | None:
    """Have the owner of the record serve a command; return its exit code, None to go the whole way.

    Raises:
        NotConfirmed: the word was not typed; nothing was opened.
        AlertingError: the owner refused what was confirmed; nothing was sent.
        KeyboardInterrupt: Ctrl-C came before it was known what became of it.
    """
    line = Line.of(argv)
    path = line.socket() if line else ""
    if not (line and path):
        return None
    return _Served(line, path).run()


class _Served:
    """One command on its way through the owner."""

    def __init__(self, line: Line, path: str) -> None:
        self._line, self._path = line, path
        name, origin = keyboard.who()
        self._me = {"actor": name, "origin": origin, "token": os.environ.get("ALERT_TOKEN", "")}

    def run(self) -> int | None:
        """Show, ask, and have it opened; see ``through_owner``."""
        plan = ""
        while True:
            told = self._confirmed(plan)
            if told is None or self._line.words[0] == "preview":
                return None if told is None else 0
            code = self._opened(told)
            if code is not None:
                return code
            plan = told["plan"]

    def _confirmed(self, before: str) -> dict[str, Any] | None:
        """Return what was shown, and confirmed if it is to be sent; None to go the whole way."""
        try:
            told = self._shown(before)
            if told is None:
                return None
            _print(told["out"])
            if before:
                _note("The preview was older than two minutes, so its time changed. Look again.")
            for question, word in told.get("questions", ()):
                keyboard.typed(question, word)
            _heed_ctrl_c(heed=False)
        except KeyboardInterrupt:
            from alerting.errors import NotConfirmed

            raise NotConfirmed("left; nothing was sent") from None
        return told

    def _shown(self, before: str) -> dict[str, Any] | None:
        """Return what the owner would send, and how it is shown; None where it would rather not say.

        ``before`` is the number of a plan that has become too old, whose place this one takes.
        """
        request = {
            "verb": f"{self._line.words[0]}.shown",
            "program": program(),
            "config": self._line.config,
            "file": _file(self._line.config),
            "state": self._line.state,
            "words": self._line.words,
            "set": sorted(name for name, text in os.environ.items() if text.strip()),
            "interactive": keyboard.interactive(),
            "colour": keyboard.colourful(),
            "before": before,
        }
        told, _ = _asked(self._path, {**request, **self._me}, _PLANNED_S)
        return told if told and told.get("ok") else None

    def _opened(self, told: dict[str, Any]) -> int | None:
        """Have it opened, and watch it where that is wanted; None when it must be shown again."""
        request = {"verb": "confirmed", "plan": told["plan"]}
        opened, left = _asked(self._path, {**request, **self._me}, _OPENED_S, patient=True)
        if opened is None or opened.get("gone"):
            if left:
                raise KeyboardInterrupt
            return self._without_owner(told)
        if opened.get("old"):
            return None
        if not opened.get("ok"):
            from alerting.engine.control import raise_refusal

            raise_refusal(opened)
        return self._told(told, opened, left=left)

    def _told(self, told: dict[str, Any], opened: dict[str, Any], *, left: bool) -> int:
        try:
            if not left:
                _utter(opened["said"])
                if opened["more"]:
                    _utter(self._ready(told, opened))
                if told["wait"]:
                    return self._follow(opened["alert_id"], json=told["json"])
        except KeyboardInterrupt:
            pass
        _utter(opened["parting"])
        return _RUNNING

    def _ready(self, told: dict[str, Any], opened: dict[str, Any]) -> Iterable[tuple[str, str]]:
        """Return what may follow. The alert leaves meanwhile."""
        request = {"verb": "ready", "plan": told["plan"], "alert": opened["alert_id"], **self._me}
        more, _ = _asked(self._path, request, _OPENED_S)
        return more["said"] if more and more.get("ok") else ()

    def _follow(self, alert_id: str, *, json: bool) -> int:
        from alerting.cli.follow import follow

        return follow(self._face().app, alert_id, json=json, title="send")

    def _without_owner(self, told: dict[str, Any]) -> int:
        """Open it oneself, or through whoever owns the record now; the run key lets nothing happen twice."""
        from alerting.cli.spoken import take_over

        return take_over(self._face(), self._line.words, told)

    def _face(self) -> Any:
        from pathlib import Path

        from alerting.cli.face import Face

        state = Path(self._line.state) if self._line.state else None
        return Face(config=Path(self._line.config), state=state, sandbox=False)


def _file(path: str) -> list[int]:
    """Return what the kernel calls a file: an owner behind walls may see another one under its name."""
    try:
        told = os.stat(path)  # noqa: PTH116
    except OSError:
        return []
    return [told.st_dev, told.st_ino]


def _asked(
    path: str, request: dict[str, Any], within_s: float, *, patient: bool = False
) -> tuple[dict[str, Any] | None, bool]:
    """Return the owner's answer, None without one, and whether Ctrl-C was pressed meanwhile.

    ``patient`` waits on after a first Ctrl-C: it comes too late to stop what was asked.
    """
    import json

    # What ``socket`` is made of: its enums and selectors take a third of an interpreter's own start.
    from _socket import AF_UNIX, SOCK_STREAM, socket

    line, told = json.dumps({"v": VERSION, **request}).encode() + b"\n", None
    presses = keyboard.Presses(1 if patient else 0)
    connection = socket(AF_UNIX, SOCK_STREAM)
    connection.settimeout(within_s)
    try:
        connection.connect(path)
        with presses:
            told = json.loads(_answered(connection, line))
    except (OSError, ValueError):
        pass
    finally:
        _heed_ctrl_c(heed=True)
        connection.close()
    return (told if isinstance(told, dict) else None), presses.count > 0


def _answered(connection: Any, line: bytes) -> bytes:
    """Ask; return the answer, or what there is of it."""
    connection.sendall(line)
    _heed_ctrl_c(heed=True)
    heard = b""
    while not heard.endswith(b"\n") and (part := connection.recv(_MOST)):
        heard += part
    return heard


def _heed_ctrl_c(*, heed: bool) -> None:
    """Keep Ctrl-C back from the word typed until the order is out: there is no answer to it in between."""
    import signal

    signal.pthread_sigmask(signal.SIG_UNBLOCK if heed else signal.SIG_BLOCK, {signal.SIGINT})


def _print(text: str) -> None:
    """Print what the owner made harmless already, whether or not anybody reads it."""
    if not text:
        return
    try:
        print(text, flush=True)  # noqa: T201
    except OSError:
        keyboard.deafen()


def _note(text: str) -> None:
    try:
        print(text, file=sys.stderr)  # noqa: T201
    except OSError:
        keyboard.deafen(sys.stderr)


def _utter(said: Iterable[tuple[str, str]]) -> None:
    for stream, text in said:
        (_print if stream == "out" else _note)(text)
