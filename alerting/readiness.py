"""``alert ready``: can somebody send right now? Read from what is kept; no provider is asked.

Each look is bounded and stands alone: one that breaks is an answer too, and the others go on.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from alerting.duty import duty_of
from alerting.errors import AlertingError, ConfigProblem
from alerting.model.audience import AddressKind
from alerting.oncall.answer import Answer, Level, Look
from alerting.probing import CALLBACKS, Known, Probed, keep, known
from alerting.readiness_record import of_ledger
from alerting.standby import ways_in

if TYPE_CHECKING:
    from alerting.app import App
    from alerting.channels.base import Capabilities
    from alerting.duty import Duty
    from alerting.ledger.base import LedgerReader
    from alerting.oncall.person import Person

#: A probe older than this says nothing about now.
FRESH: Final = timedelta(minutes=15)
#: A list nobody touched for this long has missed people who came and left.
_LIST_AGE: Final = timedelta(days=30)
#: A list that lost or won more than this share since the last alert is told.
_CHANGED: Final = 0.20
#: Less free space than this, and the record of a large alert may not fit.
_ROOM: Final = 200_000_000
#: Handing over that takes longer is told.
_SLOW: Final = timedelta(minutes=10)
_NAMED: Final = 3

#: Looks at every template and returns what is wrong, in sentences.
Lint = Callable[[], Sequence[str]]


def assess(app: App, *, lint: Lint, synchronised: bool | None, ask: bool = False) -> Answer:
    """Look at everything; ``app`` needs no credentials.

    ``synchronised`` is whether this machine's clock is kept in step, None where that is not known.
    With ``ask`` the duty calendar is fetched, where it is due.
    """
    now, kept = app.clock.now(), known(app.state)
    capabilities = capabilities_of(app)
    looks: list[tuple[str, Callable[[], Iterable[Look]]]] = [
        ("on call", lambda: _people(app, kept, capabilities, now, ask=ask)),
        ("way in", lambda: ways_in(app, now)),
        ("channels", lambda: _channels(app, kept, now)),
        ("templates", lambda: _templates(app, kept, lint)),
        ("audience", lambda: _audience(app, kept, capabilities, now)),
        ("disk", lambda: _disk(app.state)),
        ("clock", lambda: _clock(kept, now, synchronised)),
        ("record", lambda: of_ledger(app, now, receipts=_with_receipts(capabilities))),
    ]
    return Answer(at=now, looks=tuple(look for what, find in looks for look in _safe(what, find)))


def _safe(what: str, find: Callable[[], Iterable[Look]]) -> list[Look]:
    try:
        return list(find())
    except (AlertingError, ConfigProblem) as error:
        return [Look(what=what, level=Level.NO, detail=str(p.what), fix=p.fix) for p in error.problems]
    except Exception as error:  # noqa: BLE001 - whatever breaks, the answer must come
        detail = f"could not be looked at ({type(error).__name__})"
        return [Look(what=what, level=Level.NO, detail=detail, fix="tell whoever maintains this program")]


def capabilities_of(app: App) -> dict[str, Capabilities]:
    """Return what each channel for real alerts can do; none of them is connected."""
    from alerting.channels.base import Surroundings
    from alerting.channels.registry import Registry

    registry = Registry()
    around = Surroundings(clock=app.clock, campus=app.config.campus.name, callback_url=app.callback_url)
    chosen = [one for one in app.config.channels if one.mode != "drill"]
    return {one.name: registry.build(one, around).capabilities for one in chosen}


def _with_receipts(capabilities: Mapping[str, Capabilities]) -> frozenset[str]:
    return frozenset(name for name, can in capabilities.items() if can.receipts)


# -- people ---------------------------------------------------------------------------------------


def _people(
    app: App, kept: Known, capabilities: Mapping[str, Capabilities], now: datetime, *, ask: bool
) -> Iterator[Look]:
    """Look who is on duty, and whether anything reaches them."""
    duty = duty_of(app.config, state=app.state, environ=app.environ, now=now, ask=ask)
    if duty is None:
        detail = "nobody is named; nobody would be told of trouble"
        yield Look(what="on call", level=Level.WARN, detail=detail, fix="add on_call: {roster: roster.yaml}")
        return
    stints = duty.on_duty(now)
    if not stints:
        detail = f"nobody is on duty now, says {duty.source}"
        yield Look(what="on call", level=Level.NO, detail=detail, fix="give somebody this time")
    zone = ZoneInfo(app.config.campus.time_zone)
    ledger = app.own_reader()
    try:
        for stint in stints:
            until = f"until {stint.until.astimezone(zone):%a %H:%M}"
            yield _person(stint.person, until, _ways(stint.person, kept, capabilities, now, ledger))
    finally:
        if ledger is not None:
            ledger.close()
    yield from _roster(duty, now)


def _person(person: Person, until: str, ways: Sequence[str]) -> Look:
    if ways:
        return Look(what="on call", detail=f"{person.title} {until}, by {' and '.join(ways)}")
    detail = f"{person.title} {until}: no channel that works reaches them"
    return Look(what="on call", level=Level.NO, detail=detail, fix="mend a channel, or add an address")


def _ways(
    person: Person,
    kept: Known,
    capabilities: Mapping[str, Capabilities],
    now: datetime,
    ledger: LedgerReader | None,
) -> list[str]:
    """Return the channels that reach a person, as far as their last probes tell."""
    found = []
    for name, can in capabilities.items():
        address = person.address(can.address_kind)
        if address is None or can.feeds or _channel(name, kept.probes.get(name), now).level is Level.NO:
            continue
        if ledger is None or str(address) not in ledger.opted_out(name):
            found.append(name)
    return found


def _roster(duty: Duty, now: datetime) -> Iterator[Look]:
    if duty.copy is not None and duty.copy.fetched_at is not None:
        minutes = int(duty.copy.age(now).total_seconds() // 60)
        yield Look(what="calendar", detail=f"{duty.source}, fetched {minutes:,} min ago")
    for trouble in duty.troubles(now):
        detail = f"{trouble.where}: {trouble.what}"
        yield Look(what="roster", level=Level.WARN, detail=detail, fix=trouble.fix)


# -- channels -------------------------------------------------------------------------------------


def _channels(app: App, kept: Known, now: datetime) -> Iterator[Look]:
    names = [one.name for one in app.config.channels if one.mode != "drill"]
    for name in names:
        yield _channel(name, kept.probes.get(name), now)
    for name in (*names, CALLBACKS):
        probed = kept.probes.get(name)
        for check in probed.ending if probed else ():
            detail = f"{name}, {check.what}: {check.detail}"
            yield Look(what="ends soon", level=Level.WARN, detail=detail, fix=check.fix)
        for check in probed.low if probed else ():
            detail = f"{name}, {check.what}: {check.detail}"
            yield Look(what="runs low", level=Level.WARN, detail=detail, fix=check.fix)


def _channel(name: str, probed: Probed | None, now: datetime) -> Look:
    """Return the answer of one channel's last probe."""
    if probed is None:
        return _no(name, "was never asked", "alert ready --probe asks now; alert serve keeps asking")
    age = now - probed.at
    asked = f"asked {_minutes(age)} ago"
    if not timedelta(minutes=-1) <= age <= FRESH:
        return _no(name, f"was {asked}", "alert ready --probe asks now; is alert serve running?")
    if probed.broken:
        first = probed.broken[0]
        return _no(name, f"{first.what}: {first.detail}", first.fix)
    if not probed.found:
        detail = f"{name} cannot be asked without sending"
        return Look(what="channel", level=Level.WARN, detail=detail, channel=name)
    told = ", ".join(f"{one.what} {one.detail}".strip() for one in probed.found if one.ok)
    return Look(what="channel", detail=f"{name} would take it, {asked}: {told}", channel=name)


def _no(name: str, what: str, fix: str) -> Look:
    return Look(what="channel", level=Level.NO, detail=f"{name}: {what}", fix=fix, channel=name)


def _minutes(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"  # noqa: PLR2004


# -- what is sent, and to whom --------------------------------------------------------------------


def _templates(app: App, kept: Known, lint: Lint) -> Iterator[Look]:
    """Look at every template; what was found is kept until one of them changes."""
    mark = _mark(app)
    before, errors = kept.templates
    if before != mark:
        errors = tuple(lint())
        if app.state.is_dir():
            keep(app.state, templates=(mark, errors))
    if not errors:
        yield Look(what="templates", detail="without mistakes")
    for error in errors[:_NAMED]:
        yield Look(what="templates", level=Level.NO, detail=error, fix="alert templates check")


def _mark(app: App) -> str:
    """Return what changes when a template, or the configuration around it, does."""
    from alerting.digest import text_digest

    files = sorted(app.config.templates.rglob("*"))
    stats = [(str(path), path.stat()) for path in files if path.is_file()]
    return text_digest(app.config.digest, *(f"{path} {s.st_size} {s.st_mtime_ns}" for path, s in stats))


def _audience(
    app: App, kept: Known, capabilities: Mapping[str, Capabilities], now: datetime
) -> Iterator[Look]:
    """Look at the default list: age, size against the last alert's, time and money it takes to tell it."""
    name = app.config.defaults.audience
    if not name:
        return
    path = app.config.audiences[name].csv
    if not path.is_file():
        yield Look(what="audience", level=Level.NO, detail=f"{name}: {path} is not there", fix="put it there")
        return
    age = now - datetime.fromtimestamp(path.stat().st_mtime, UTC)
    if age > _LIST_AGE:
        detail = f"{name} was last changed {age.days} days ago"
        yield Look(what="audience", level=Level.WARN, detail=detail, fix="export it anew from its source")
    if not app.state.is_dir():
        yield Look(what="audience", detail=f"{name}: {path} is there; not counted yet")
        return
    counts = app.roster(name).counts()
    yield _size(app, name, counts.recipients)
    yield from _pace(capabilities, counts.addresses)
    yield from _money(kept, capabilities, counts.addresses)


def _size(app: App, name: str, size: int) -> Look:
    if not size:
        return Look(what="audience", level=Level.NO, detail=f"{name} is empty", fix="export it anew")
    ledger = app.own_reader()
    before = None
    if ledger is not None:
        try:
            before = ledger.last_audience_size(name)
        finally:
            ledger.close()
    detail = f"{name}: {size:,} people"
    if before and abs(size - before) > before * _CHANGED:
        detail = f"{detail}; the last alert to it had {before:,}"
        return Look(what="audience", level=Level.WARN, detail=detail, fix="is the list complete?")
    since = f", {size - before:+,} since the last alert" if before else ""
    return Look(what="audience", detail=detail + since)


def _pace(capabilities: Mapping[str, Capabilities], addresses: Mapping[str, int]) -> Iterator[Look]:
    for name, can in capabilities.items():
        takes = timedelta(seconds=addresses.get(str(can.address_kind), 0) / can.rate_per_s)
        if can.address_kind is not AddressKind.FEED and takes > _SLOW:
            detail = f"{name} needs {_minutes(takes)} for everybody at {can.rate_per_s:g} a second"
            yield Look(what="rate", level=Level.WARN, detail=detail, fix="ask the provider for a higher rate")


def _money(
    kept: Known, capabilities: Mapping[str, Capabilities], addresses: Mapping[str, int]
) -> Iterator[Look]:
    """Look whether what is left at each provider pays for one short message to everybody."""
    for name, can in capabilities.items():
        probed, units = kept.probes.get(name), addresses.get(str(can.address_kind), 0)
        left, needed = probed.money if probed else None, units * can.cost_per_unit
        if left is None or not needed:
            continue
        detail = f"{name} has {left:,.2f} left; one alert to everybody costs at least {needed:,.2f}"
        level = Level.YES if left >= needed else Level.NO
        fix = "" if left >= needed else "top up the account, and let it top itself up"
        yield Look(what="money", level=level, detail=detail, fix=fix)


# -- the machine ----------------------------------------------------------------------------------


def _disk(state: Path) -> Iterator[Look]:
    there = next(above for above in (state, *state.absolute().parents) if above.exists())
    free = shutil.disk_usage(there).free
    detail = f"{free / 1e9:,.1f} GB free"
    if free < _ROOM:
        yield Look(what="disk", level=Level.NO, detail=detail, fix="free at least 200 MB")
    else:
        yield Look(what="disk", detail=detail)


def _clock(kept: Known, now: datetime, synchronised: bool | None) -> Iterator[Look]:  # noqa: FBT001 - a fact
    """Look whether the clock is right: by a provider's, where one has just told it; else by the kernel."""
    fresh = [probed for probed in kept.probes.values() if now - probed.at <= FRESH]
    seen = next((check for probed in fresh for check in probed.found if check.what == "clock"), None)
    if seen is not None:
        level = Level.YES if seen.ok else Level.NO
        yield Look(what="clock", level=level, detail=seen.detail, fix=seen.fix)
    elif synchronised:
        yield Look(what="clock", detail="kept in step, says the kernel; not compared with another clock")
    elif synchronised is None:
        yield Look(what="clock", detail="not checked: nothing here knows the time but this machine")
    else:
        detail = "not kept in step, says the kernel; not compared with another clock"
        yield Look(what="clock", level=Level.WARN, detail=detail, fix="run NTP")
