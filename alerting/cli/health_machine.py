"""The doctor's look at the machine: directory, disk, clock, time zone, libraries, certificates."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from alerting import openfiles
from alerting.cli.finding import Area, Finding, Level, failures
from alerting.cli.words import span
from alerting.errors import LedgerUnavailable

#: Less free space than this, and the record of a large alert may not fit.
_ROOM: Final = 200_000_000
_GROUP_AND_OTHERS: Final = 0o077
#: How far in the future a file may have been written before the clock is doubted.
_AHEAD: Final = timedelta(minutes=1)
#: What sending needs, by the name it is installed as.
_LIBRARIES: Final = (
    "aiosmtplib",
    "facebook-sdk",
    "jinja2",
    "phonenumbers",
    "pycurl",
    "pydantic",
    "pyyaml",
    "structlog",
    "tenacity",
    "tweepy",
    "twilio",
    "tzdata",
)
_AUTHORITIES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_PROXIES: Final = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


def directory(state: Path) -> Iterator[Finding]:
    """Look whether the record can be kept where it is to be kept."""
    from alerting.ledger.place import refuse_network

    try:
        refuse_network(state)
    except LedgerUnavailable as error:
        yield from failures("state", Area.LEDGER, error.problems)
        return
    there = _there(state)
    if not there.is_dir() or not os.access(there, os.R_OK | os.W_OK | os.X_OK):
        what = "is not a directory" if there.exists() and not there.is_dir() else "cannot be written"
        fix = "let this user write there, or give another: --state DIRECTORY"
        detail = f"{there}: {what} by this user" if "written" in what else f"{there}: {what}"
        yield Finding(what="state", level=Level.FAIL, area=Area.LEDGER, detail=detail, fix=fix)
    elif there != state:
        yield Finding(what="state", area=Area.LEDGER, detail=f"{state}: the first alert makes it")
    elif state.stat().st_mode & _GROUP_AND_OTHERS:
        mode = state.stat().st_mode & 0o777
        detail = f"{state}: other users can look into it (mode {mode:o})"
        fix = f"chmod 700 {state}"
        yield Finding(what="state", level=Level.WARN, area=Area.LEDGER, detail=detail, fix=fix)
    else:
        yield Finding(what="state", area=Area.LEDGER, detail=f"{state}: on a disk of this machine, private")


def _there(path: Path) -> Path:
    """Return a path, or the nearest one above it that exists."""
    return next((above for above in (path, *path.absolute().parents) if above.exists()), Path("/"))


def disk(state: Path) -> Iterator[Finding]:
    """Look at the room left for the record."""
    import shutil

    free = shutil.disk_usage(_there(state)).free
    detail = f"{free / 1e9:,.1f} GB free" if free > 1e9 else f"{free / 1e6:,.0f} MB free"  # noqa: PLR2004
    if free >= _ROOM:
        yield Finding(what="disk", detail=detail)
    else:
        fix = "free at least 200 MB where the state directory is"
        yield Finding(what="disk", level=Level.FAIL, detail=detail, fix=fix)


def open_files(in_flight: int) -> Iterator[Finding]:
    """Look whether a sender may open as many connections as the channels are configured for."""
    allowed, wanted = openfiles.most(), openfiles.LEAST + in_flight
    detail = f"{allowed:,} at once, connections included; these channels may take {wanted:,}"
    if allowed >= wanted:
        yield Finding(what="open files", detail="as many as these channels may take")
    else:
        level = Level.FAIL if allowed < openfiles.LEAST else Level.WARN
        yield Finding(what="open files", level=level, detail=detail, fix=openfiles.ADVICE)


def clock(now: datetime, files: Sequence[Path]) -> Iterator[Finding]:
    """Look whether files were written later than now."""
    late = [(path, path.stat().st_mtime - now.timestamp()) for path in files if path.exists()]
    ahead = [(path, by) for path, by in late if by > _AHEAD.total_seconds()]
    for path, by in ahead:
        detail = f"{path} was written {span(by)} after now"
        fix = "set this machine's clock, and keep it with NTP"
        yield Finding(what="clock", level=Level.WARN, detail=detail, fix=fix)
    if not ahead:
        yield Finding(what="clock", detail=f"{now:%Y-%m-%d %H:%M:%S} UTC")


def time_zone(name: str, now: datetime) -> Iterator[Finding]:
    """Look whether the campus's clock can be told."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        local = now.astimezone(ZoneInfo(name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        detail = f"{name} is not known to this machine"
        yield Finding(what="time zone", level=Level.FAIL, detail=detail, fix="install tzdata")
        return
    yield Finding(what="time zone", detail=f"{name}: it is {local:%H:%M %Z} there")


def libraries(*, quick: bool) -> Iterator[Finding]:
    """Look which libraries are installed; unless ``quick``, in which version."""
    from importlib.metadata import PackageNotFoundError, version

    python = ".".join(map(str, sys.version_info[:3]))
    yield Finding(what="python", detail=f"{python}, {sys.executable}")
    if quick:
        return
    found: list[str] = []
    for name in _LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            fix = f"install {name}, or this program anew"
            yield Finding(what="libraries", level=Level.FAIL, detail=f"{name} is not installed", fix=fix)
    yield Finding(what="libraries", detail=", ".join(found))


def certificates() -> Iterator[Finding]:
    """Look whose word is taken for who a provider is, and whether a proxy stands between."""
    found = {name: os.environ[name] for name in _AUTHORITIES if os.environ.get(name)}
    for name, place in found.items():
        if not Path(place).exists():
            detail = f"{name} names {place}, which is not there: no provider could be trusted"
            fix = f"correct {name}, or unset it"
            yield Finding(what="certificates", level=Level.FAIL, detail=detail, fix=fix)
    good = [f"{name}={place}" for name, place in found.items() if Path(place).exists()]
    if good or not found:
        detail = ", ".join(good) or "the system's own"
        yield Finding(what="certificates", detail=detail)
    # A proxy's address may hold a password.
    proxies = [name for name in _PROXIES if os.environ.get(name)]
    if proxies:
        yield Finding(what="proxy", detail=f"in force: {', '.join(proxies)}")
