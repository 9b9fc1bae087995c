"""What ``alert serve`` does for an officer's command: read its line, plan, show, and open what was confirmed.

It calls what the command would call itself, in a process that has everything imported already. Only the
plain way is gone here; anything else is answered with a no, and the command goes its whole way (see
``front``). A plan is kept until it is confirmed, and opened as it was shown unless anything it was made of
has changed since: then the owner plans again and compares, as for every order.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alerting.authority.admission import just_sent
from alerting.cli import dispatch, front, ready, spoken
from alerting.cli.confirm import questions
from alerting.cli.keyboard import same
from alerting.config.operators import load_operators
from alerting.gate import rules_of
from alerting.keys import new_run_key
from alerting.ledger.rows import Actor
from alerting.service.order import Order

if TYPE_CHECKING:
    from alerting.app import App
    from alerting.broadcast.plan import Plan
    from alerting.cli.face import Face
    from alerting.service.opening import Opened
    from alerting.service.planning import Request

#: Options that are not the plain way: incidents, reasons, and a clock to be checked.
_ODD: Final = ("incident", "break_glass", "reported", "confirmed")
#: Plans kept at once; an officer who was overtaken by so many others is planned for again.
_KEPT: Final = 50
_NO: Final[Mapping[str, Any]] = {"ok": False}
_GONE: Final[Mapping[str, Any]] = {"ok": False, "gone": True}
_OLD: Final[Mapping[str, Any]] = {"ok": False, "old": True}
#: A preview older than this is shown again before it is sent: its time would be wrong.
_STALE: Final = timedelta(seconds=dispatch.STALE_S)

Marks = tuple[tuple[int, int, int] | None, ...]
Open = Callable[[Order, "Plan | None"], Awaitable["Opened"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """A plan that was shown and may be confirmed. ``marks`` is what it was made of."""

    plan: Plan
    request: Request
    given: Mapping[str, Any]
    run_key: str
    marks: Marks

    def order(self, told: Mapping[str, Any], *, decided: datetime) -> tuple[Order, Plan]:
        """Return the order of what was confirmed, and its plan with the instants of the decision."""
        clock = {**self.plan.clock, "decided": decided.isoformat()}
        order = Order(
            request=self.request._replace(clock=clock),
            as_of=self.plan.as_of,
            digest=self.plan.digest,
            actor=Actor(name=str(told["actor"]), origin=str(told["origin"])),
            run_key=self.run_key,
            one_more=bool(self.given["one_more"]),
            by=tuple(told.get("by", ())),
        )
        return order, self.plan._replace(clock=clock)


@dataclass(slots=True)
class Desk:
    """Serves commands of officers with one program, in its process."""

    face: Face
    app: App
    _program: str = field(default_factory=front.program)
    _held: dict[str, _Held] = field(default_factory=dict)
    _readers: dict[str, Any] = field(default_factory=dict)
    _whole: set[tuple[str, frozenset[str]]] = field(default_factory=set)

    def warm(self) -> None:
        """Import what a first alert would have to import, and build the house."""
        from alerting.channels.base import Foreseen

        channels = [wired.channel for wired in self.app.house().channels.values()]
        named = [name for channel in channels if isinstance(channel, Foreseen) for name in channel.needs]
        for name in ("jinja2.sandbox", *named):
            # Whatever is wrong with a library, its own channel will meet it again, and say so.
            with suppress(Exception):
                import_module(name)

    async def answer(self, told: Mapping[str, Any], open_: Open) -> Mapping[str, Any] | None:
        """Answer a request of ``front``; None for any other.

        Raises:
            AlertingError, ConfigProblem: what was confirmed is refused; nothing was opened.
        """
        match told["verb"]:
            case "send.shown" | "preview.shown":
                return await asyncio.to_thread(self._shown, told)
            case "confirmed":
                return await self._confirmed(told, open_)
            case "ready":
                return await asyncio.to_thread(self._ready, told)
        return None

    # -- showing ----------------------------------------------------------------------------------

    def _shown(self, told: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return self._planned(told) if self._ours(told) else _NO
        except Exception:  # noqa: BLE001 - whatever is wrong, the whole way finds it again, and the words for it
            return _NO

    def _ours(self, told: Mapping[str, Any]) -> bool:
        """Whether the command would come to the same by itself: program, file, record and credentials."""
        app, theirs, mine = self.app, Path(told["config"]), self.face.config
        if told["program"] != self._program or app.sandbox or app.shared is not None:
            return False
        # One file, in one folder: what is told relative to it must be the same too.
        if theirs.name != mine.name or not theirs.parent.samefile(mine.absolute().parent):
            return False
        seen = mine.stat()
        if told["file"] != [seen.st_dev, seen.st_ino]:
            return False
        state = Path(told["state"]) if told["state"] else app.config.state
        return state.samefile(app.state) and self._has_credentials(frozenset(told["set"]))

    def _has_credentials(self, names: frozenset[str]) -> bool:
        """Whether a command with these variables would find all it needs; raises where not."""
        from alerting.config.kept import load_kept

        self.app.reload()
        seen = (self.app.config.digest, names)
        if seen not in self._whole:
            environ = {name: os.environ.get(name) or "-" for name in names}
            load_kept(self.face.config, environ=environ, state=self.app.base)
            self._whole = {seen}
        return True

    def _planned(self, told: Mapping[str, Any]) -> Mapping[str, Any]:
        verb, *rest = told["words"]
        given = self._read(verb, rest)
        if any(given.get(name) for name in _ODD):
            return _NO
        marks, now = self._marks(), self.app.clock.now()
        before = self._held.get(str(told["before"]))
        request = spoken.request(
            given, clock=before.request.clock if before else {"started": now.isoformat()}
        )
        plan = self.app.plan(request, as_of=now)
        if verb == "preview":
            return {"ok": True, "out": self._preview(plan, told, json=bool(given["json"]))}
        if not self._plain(plan, given, interactive=bool(told["interactive"])):
            return _NO
        key = new_run_key()
        plan = plan._replace(clock={**plan.clock, "previewed": self.app.clock.now().isoformat()})
        self._held[key] = _Held(
            plan=plan, request=request, given=given, run_key=given["run_key"] or new_run_key(), marks=marks
        )
        while len(self._held) > _KEPT:
            del self._held[next(iter(self._held))]
        return {"ok": True, "plan": key, **self._telling(key, told)}

    def _telling(self, key: str, told: Mapping[str, Any]) -> dict[str, Any]:
        held = self._held[key]
        given, plan = held.given, held.plan
        quiet = bool(given["json"]) and not told["before"]
        return {
            "out": "" if quiet else shown(plan, colour=bool(told["colour"])),
            "questions": [] if given["confirm"] else questions(plan, alone=True),
            "as_of": plan.as_of.isoformat(),
            "clock": dict(plan.clock),
            "digest": plan.digest,
            "run_key": held.run_key,
            "json": bool(given["json"]),
            "wait": bool(given["wait"]),
        }

    def _plain(self, plan: Plan, given: Mapping[str, Any], *, interactive: bool) -> bool:
        """Whether the word of one person is all that is missing, and it is there or can be typed."""
        if not plan.subject.live or (plan.second and load_operators(self.app.config) is not None):
            return False
        word = given["confirm"]
        if not (same(word, plan.subject.confirm_word) if word else interactive):
            return False
        reader = self.app.own_reader()
        try:
            count = just_sent(reader, self.app.clock.now())
        finally:
            if reader is not None:
                reader.close()
        return bool(given["one_more"]) or count < rules_of(self.app.config).broadcasts

    def _preview(self, plan: Plan, told: Mapping[str, Any], *, json: bool) -> str:
        from alerting.cli import preview
        from alerting.cli.face import as_json
        from alerting.cli.words import clean

        waiting = ready.before(self.app, plan, _actor(told))
        if json:
            return as_json("preview", **preview.as_json(plan), follow_ups=ready.as_json(waiting))
        lines = [clean(line) for line in ready.lines(waiting, "ID")]
        return "\n".join([shown(plan, colour=bool(told["colour"])), *lines])

    def _read(self, verb: str, words: Sequence[str]) -> dict[str, Any]:
        """Read a command's words with its own parser; see ``spoken``."""
        if verb not in self._readers:
            self._readers[verb] = spoken.reader(verb)
        return spoken.given(self._readers[verb], words)

    def _marks(self) -> Marks:
        """Return what tells whether anything a plan is made of has changed."""
        return tuple(_mark(path) for path in self._sources())

    def _sources(self) -> Iterator[str | Path]:
        from alerting.config.operators import operators_path, tokens_path

        config = self.app.config
        operators = operators_path(config)
        yield from (self.face.config, operators, tokens_path(operators), config.templates)
        with os.scandir(config.templates) as entries:
            yield from sorted(entry.path for entry in entries)
        yield from (audience.csv for audience in config.audiences.values())
        ledger = str(self.app.ledger_path)
        yield from (ledger, f"{ledger}-wal")

    # -- opening ----------------------------------------------------------------------------------

    async def _confirmed(self, told: Mapping[str, Any], open_: Open) -> Mapping[str, Any]:
        held = self._held.get(str(told["plan"]))
        if held is None:
            # Of an owner before this one: the command plans again, and compares.
            return _GONE
        now = self.app.clock.now()
        if now - held.plan.as_of > _STALE:
            return _OLD
        order, plan = held.order(told, decided=now)
        same_still = await asyncio.to_thread(self._marks) == held.marks
        opened = await open_(order, plan if same_still else None)
        json, given = bool(held.given["json"]), held.given
        return {
            "ok": True,
            **opened._asdict(),
            "said": dispatch.accepted(opened, plan, run_key=given["run_key"], json=json),
            "parting": dispatch.parting(opened, json=json),
            "more": not (json or opened.again),
        }

    def _ready(self, told: Mapping[str, Any]) -> Mapping[str, Any]:
        from alerting.cli.words import clean

        held = self._held.get(str(told["plan"]))
        if held is None:
            return _NO
        waiting = ready.before(self.app, held.plan, _actor(told))
        lines = ready.lines(waiting, str(told["alert"]))
        return {"ok": True, "said": [("out", clean(line)) for line in lines]}


def shown(plan: Plan, *, colour: bool) -> str:
    """Return what ``dispatch.show`` prints for people."""
    from alerting.cli import preview
    from alerting.cli.screen import painted_heading
    from alerting.cli.words import clean

    first, *rest = preview.lines(plan)
    head = painted_heading(first, live=plan.subject.live) if colour else clean(first)
    return "\n".join([head, *(clean(line) for line in rest)])


def _actor(told: Mapping[str, Any]) -> Actor:
    return Actor(name=str(told["actor"]), origin=str(told["origin"]))


def _mark(path: str | Path) -> tuple[int, int, int] | None:
    try:
        told = os.stat(path)  # noqa: PTH116 - of many files, for each alert
    except OSError:
        return None
    return told.st_mtime_ns, told.st_size, told.st_ino
