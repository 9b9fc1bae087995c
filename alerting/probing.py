"""Asking every provider whether it would take us, and keeping what they said: nothing is sent.

The answers lie in a small file of the state directory, so that ``alert ready`` need not ask again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alerting.channels.base import Check

if TYPE_CHECKING:
    from alerting.app import App
    from alerting.channels.base import Channel

#: A provider that says nothing for this long counts as not reachable.
WITHIN_S: Final = 20.0
#: What the certificate of our own public address is kept as, beside the channels.
CALLBACKS: Final = "callbacks"
#: What ends some day, and is told before it does: it stops nothing yet.
ENDING: Final = frozenset({"token expiry", "version", "certificate"})
#: What a provider says is left of calls or money: little of it stops nothing yet either.
HEADROOM: Final = "headroom"
#: A certificate that ends sooner than this is told.
_NOTICE: Final = timedelta(days=14)
_LEAVE_S: Final = 2.0
_FILE: Final = "probes.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What a channel's probe found, and when (aware). ``found`` is empty for a kind that cannot be probed."""

    name: str
    kind: str
    at: datetime
    found: Sequence[Check] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is known against it."""
        return all(one.ok for one in self.found)

    @property
    def broken(self) -> list[Check]:
        """What keeps it from sending now."""
        return [one for one in self.found if not one.ok and one.what not in (*ENDING, HEADROOM)]

    @property
    def ending(self) -> list[Check]:
        """What will keep it from sending soon."""
        return [one for one in self.found if not one.ok and one.what in ENDING]

    @property
    def low(self) -> list[Check]:
        """What little is left of."""
        return [one for one in self.found if not one.ok and one.what == HEADROOM]

    @property
    def money(self) -> float | None:
        """What is left to pay messages with; None where the provider does not tell."""
        return next((one.money for one in self.found if one.money is not None), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Everything kept: probes by channel, and what the last look at the templates found, under its mark."""

    probes: Mapping[str, Probed] = field(default_factory=dict)
    templates: tuple[str, tuple[str, ...]] = ("", ())


async def probe(
    channels: Mapping[str, tuple[str, Channel]], *, at: datetime, within_s: float
) -> list[Probed]:
    """Probe every channel (name to kind and adapter) at once; the slowest decides how long it takes."""
    import asyncio

    tasks = [_one(name, kind, channel, at, within_s) for name, (kind, channel) in channels.items()]
    return list(await asyncio.gather(*tasks))


async def _one(name: str, kind: str, channel: Channel, at: datetime, within_s: float) -> Probed:
    import asyncio

    from alerting.channels.base import Probe

    found: Sequence[Check] = ()
    try:
        if isinstance(channel, Probe):
            async with asyncio.timeout(within_s):
                found = await channel.check()
    except TimeoutError:
        why, fix = f"no answer within {within_s:g} s", "check the network, or the provider's status"
        found = [Check(what="connect", ok=False, detail=why, fix=fix)]
    finally:
        await asyncio.wait([asyncio.ensure_future(channel.aclose())], timeout=_LEAVE_S)
    return Probed(name=name, kind=kind, at=at, found=found)


async def probe_all(app: App, *, within_s: float = WITHIN_S) -> list[Probed]:
    """Probe every channel for real alerts, and our own public address; keep and return what they said."""
    at = app.clock.now()
    chosen = [one for one in app.config.channels if one.mode != "drill"]
    lanes = {one.name: (one.kind, app.channel(one.name)) for one in chosen}
    probed = await probe(lanes, at=at, within_s=within_s)
    if own := await _own_address(app, at, within_s):
        probed.append(own)
    keep(app.state, probed)
    return probed


async def _own_address(app: App, at: datetime, within_s: float) -> Probed | None:
    from urllib.parse import urlsplit

    parts = urlsplit(app.callback_url)
    if parts.scheme != "https" or not parts.hostname:
        return None
    check = await certificate(parts.hostname, parts.port or 443, at=at, within_s=within_s)
    return Probed(name=CALLBACKS, kind=CALLBACKS, at=at, found=(check,))


async def certificate(host: str, port: int, *, at: datetime, within_s: float) -> Check:
    """Look how long the certificate at an address is good."""
    import asyncio
    import ssl
    from datetime import UTC

    fix = "renew the certificate of callbacks.public_url, or callbacks cannot reach us"
    try:
        async with asyncio.timeout(within_s):
            _, writer = await asyncio.open_connection(host, port, ssl=ssl.create_default_context())
    except (OSError, TimeoutError) as error:  # ssl's own errors are OSErrors
        words = getattr(error, "verify_message", "") or getattr(error, "strerror", "") or type(error).__name__
        return Check(what="certificate", ok=False, detail=f"{host}: {words}", fix=fix)
    shown = writer.get_extra_info("peercert") or {}
    writer.close()
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC)
    days = (ends - at).days
    soon = ends - at < _NOTICE
    return Check(
        what="certificate",
        ok=not soon,
        detail=f"{host}: ends {ends:%Y-%m-%d}, {days} days",
        fix=fix if soon else "",
    )


def known(state: Path) -> Known:
    """Return what is kept in a state directory; nothing where there is nothing that can be read."""
    try:
        told: dict[str, Any] = json.loads((state / _FILE).read_text(encoding="utf-8"))
        probes = {name: _probed(name, one) for name, one in told["channels"].items()}
        mark, errors = told["templates"]
        return Known(probes=probes, templates=(str(mark), tuple(map(str, errors))))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Known()


def keep(
    state: Path, probed: Sequence[Probed] = (), *, templates: tuple[str, tuple[str, ...]] | None = None
) -> None:
    """Add to what is kept. A file that cannot be written is told by the age of what is in it."""
    before = known(state)
    probes = {**before.probes, **{one.name: one for one in probed}}
    told = {
        "channels": {name: _plain(one) for name, one in probes.items()},
        "templates": templates or before.templates,
    }
    draft = state / f".{_FILE}.{os.getpid()}"
    try:
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(told), encoding="utf-8")
        draft.replace(state / _FILE)
    except OSError:
        draft.unlink(missing_ok=True)


def _plain(one: Probed) -> dict[str, Any]:
    return {"kind": one.kind, "at": one.at.isoformat(), "found": [check._asdict() for check in one.found]}


def _probed(name: str, told: Mapping[str, Any]) -> Probed:
    found = tuple(Check(**check) for check in told["found"])
    return Probed(name=name, kind=str(told["kind"]), at=datetime.fromisoformat(told["at"]), found=found)
