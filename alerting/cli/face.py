"""What every command shares: the program it speaks to, and how it speaks to people and to scripts."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alerting.cli import keyboard
from alerting.cli.words import clean

if TYPE_CHECKING:
    from alerting.app import App
    from alerting.archive import Reader
    from alerting.ledger.rows import Actor

#: Version of every ``--json`` shape; raised when a field changes its meaning or goes away.
JSON_VERSION: Final = 1


class Face:
    """One run of the command line. ``app`` is built when a command first asks for it.

    ``local`` goes without the shared ledger, with a record of this host's own; ``without`` are channels this
    command does without.
    """

    #: Whether the command only looks or stops, and does so even by an older channels.yaml.
    stops: bool = False
    _app: App | None = None
    _view: App | None = None

    def __init__(
        self,
        *,
        config: Path,
        state: Path | None,
        sandbox: bool,
        local: bool = False,
        without: tuple[str, ...] = (),
    ) -> None:
        self.config, self.state, self.sandbox = config, state, sandbox
        self.local, self.without = local, without
        #: Open reading connections of every program of this run: none may be open when one of them forks.
        self.readers: list[Reader] = []

    @property
    def app(self) -> App:
        """The configured program, with what it needs to send.

        Raises:
            ConfigProblem: channels.yaml cannot be used; every reason at once, and what works all the same.
        """
        from alerting.errors import ConfigProblem

        if self._app is None:
            try:
                self._app = self._build(credentials=True)
            except ConfigProblem as error:
                from alerting.cli.way_out import way_out

                raise ConfigProblem(*error.problems, *way_out(self)) from None
        return self._app

    @property
    def view(self) -> App:
        """The program for looking and stopping: whoever is on call needs no tokens for that.

        Raises:
            ConfigProblem: channels.yaml cannot be used, for other reasons than credentials.
        """
        if self._app is not None:
            return self._app
        if self._view is None:
            self._view = self._build(credentials=False)
        return self._view

    @property
    def everything(self) -> App:
        """The program with the channels for alerts and for drills; only alerts' where drills' lack tokens.

        Raises:
            ConfigProblem: channels.yaml cannot be used; every reason at once.
        """
        from alerting.errors import ConfigProblem

        try:
            return self._build(credentials=True, live=None)
        except ConfigProblem:
            return self.app

    def _build(self, *, credentials: bool, live: bool | None = True) -> App:
        from alerting.app import App
        from alerting.clock import SystemClock

        program = App
        if self.stops and not credentials:
            from alerting.cli.last_good import LastGood

            program = LastGood
        place = None
        if self.sandbox:
            from alerting.cli.place import sandbox_place

            place = sandbox_place
        return program(
            self.config,
            clock=SystemClock(),
            environ=os.environ,
            state=self.state,
            place=place,
            credentials=credentials or self.sandbox,
            live=live,
            local=self.local,
            without=self.without,
            readers=self.readers,
        )

    @property
    def token(self) -> str:
        """The token this command was given, for who is not known by account; empty for none."""
        return os.environ.get("ALERT_TOKEN", "")

    @property
    def actor(self) -> Actor:
        """Who is at the keyboard, and where, as the audit records it."""
        from alerting.ledger.rows import Actor

        name, origin = keyboard.who()
        return Actor(name=name, origin=origin)


def take_token(path: Path) -> None:
    """Use the token in a file for this run, as if ALERT_TOKEN held it.

    Raises:
        UsageProblem: it cannot be read.
    """
    from alerting.errors import Problem, UsageProblem

    try:
        os.environ["ALERT_TOKEN"] = path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        what = f"the token cannot be read ({getattr(error, 'strerror', None) or 'it is no text'})"
        raise UsageProblem(Problem(where=str(path), what=what, fix="name the file that holds it")) from error


def say(text: str = "") -> None:
    """Print a line for people, made harmless; at once, for a pipe may be watched too."""
    print(clean(text), flush=True)  # noqa: T201


def note(text: str) -> None:
    """Print a line that is not the command's result: to stderr, whether or not anybody reads it."""
    try:
        print(clean(text), file=sys.stderr)  # noqa: T201
    except OSError:
        keyboard.deafen(sys.stderr)


def emit(kind: str, **fields: Any) -> None:
    """Print one JSON object for scripts: ``{"v": 1, "kind": …}``."""
    print(as_json(kind, **fields), flush=True)  # noqa: T201


def as_json(kind: str, **fields: Any) -> str:
    """Return what ``emit`` prints."""
    # What no terminal's alphabet has, JSON has an escape for.
    escaped = sys.stdout.encoding.lower() != "utf-8"
    return json.dumps({"v": JSON_VERSION, "kind": kind, **fields}, ensure_ascii=escaped, default=str)


def deafen() -> None:
    """Let stdout lead nowhere: whoever read it has left."""
    keyboard.deafen()


@contextmanager
def heard_or_not() -> Iterator[None]:
    """Go on although whoever read stdout has left, or its disk is full: no alert depends on what is printed.

    For blocks that print and do nothing else.
    """
    try:
        yield
    except OSError:
        deafen()


def colourful() -> bool:
    """Whether stdout is a terminal that wants colour (NO_COLOR, TERM=dumb say no)."""
    return keyboard.colourful()


def interactive() -> bool:
    """Whether somebody can be asked."""
    return keyboard.interactive()
