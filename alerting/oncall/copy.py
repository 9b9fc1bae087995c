"""A calendar from elsewhere, and the last good copy of it on this machine's disk.

The calendar's address often is a secret in itself: nothing here names more of it than the host.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from alerting.oncall.ical import LARGEST

#: A copy younger than this is used without asking.
FRESH: Final = timedelta(minutes=15)
#: A copy older than this is told as a fault: shifts are swapped from day to day.
STALE: Final = timedelta(hours=24)
_WITHIN_S: Final = 15.0
_CHUNK: Final = 64 * 1024
_SECURE: Final = {"webcal": "https"}


class Unreachable(Exception):
    """The calendar could not be fetched, in words without its address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A calendar's text as last fetched, when that was (aware), and why no newer one is here.

    Where it was never fetched there is no text, and no time.
    """

    text: str = ""
    fetched_at: datetime | None = None
    trouble: str = ""

    def age(self, now: datetime) -> timedelta:
        """Return how old the copy is; nothing for one that is not there."""
        return now - self.fetched_at if self.fetched_at else timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """Keeps the copy of one address in a directory. ``good`` looks at a text before it is kept.

    ``good`` raises ValueError, in words, for what is no calendar; the copy from before stays then.
    """

    directory: Path
    address: str
    good: Callable[[str], object]

    def read(self, now: datetime, *, ask: bool = True) -> Copy:
        """Return the calendar: fetched when the copy is older than ``FRESH``, else from disk.

        Without ``ask`` only a file is looked at, never the network.
        """
        kept = self._kept()
        local = _scheme(self.address) == "file"
        if not local and (not ask or (kept.fetched_at and timedelta() <= kept.age(now) < FRESH)):
            return kept
        try:
            text = fetch(self.address)
            self.good(text)
        except (Unreachable, ValueError) as trouble:
            return replace(kept, trouble=str(trouble))
        fresh = Copy(text=text, fetched_at=now)
        self._keep(fresh)
        return fresh

    @property
    def _path(self) -> Path:
        return self.directory / "on-call-calendar.json"

    def _kept(self) -> Copy:
        try:
            told: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
            if told["address"] != _mark(self.address):
                return Copy()
            return Copy(text=str(told["text"]), fetched_at=datetime.fromisoformat(told["fetched_at"]))
        except (OSError, ValueError, KeyError, TypeError):
            return Copy()

    def _keep(self, copy: Copy) -> None:
        told = {
            "address": _mark(self.address),
            "fetched_at": copy.fetched_at.isoformat() if copy.fetched_at else "",
            "text": copy.text,
        }
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft.touch(mode=0o600)
            draft.write_text(json.dumps(told), encoding="utf-8")
            draft.replace(self._path)
        except OSError:
            # A copy that cannot be kept is asked for again; whoever is on duty is known all the same.
            draft.unlink(missing_ok=True)


def shown(address: str) -> str:
    """Return as much of an address as a screen may show: its scheme and host, or the path of a file."""
    if _scheme(address) == "file":
        return _path_of(address)
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.hostname or ''}"


def fetch(address: str) -> str:
    """Return the text at an address: ``https``, ``http``, ``webcal`` or a file.

    Raises:
        Unreachable: it cannot be had within 15 seconds, or is larger than 2 MB.
    """
    try:
        raw = _from_disk(address) if _scheme(address) == "file" else _from_network(address)
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreachable("is no text") from None
    except (OSError, HTTPException, ValueError) as error:
        raise Unreachable(_words(error)) from None


def _scheme(address: str) -> str:
    scheme = urlsplit(address).scheme.lower()
    return scheme if scheme in ("http", "https", "webcal") else "file"


def _path_of(address: str) -> str:
    return unquote(urlsplit(address).path) if address.lower().startswith("file:") else address


def _from_disk(address: str) -> bytes:
    with Path(_path_of(address)).open("rb") as file:
        return _bounded(file.read)


def _from_network(address: str) -> bytes:
    scheme, colon, rest = address.partition(":")
    request = Request(  # noqa: S310 - http and https only, as looked at above
        _SECURE.get(scheme.lower(), scheme.lower()) + colon + rest, headers={"User-Agent": "alert"}
    )
    with build_opener(_NoRedirects).open(request, timeout=_WITHIN_S) as answer:
        return _bounded(answer.read)


def _bounded(read: Callable[[int], bytes]) -> bytes:
    """Read to the end, within bounds of size and time: a source that drips is given up."""
    until = time.monotonic() + _WITHIN_S
    parts, size = [], 0
    while part := read(_CHUNK):
        parts.append(part)
        size += len(part)
        if size > LARGEST:
            raise Unreachable(f"larger than {LARGEST // 1_000_000} MB")
        if time.monotonic() > until:
            raise Unreachable(f"not read to its end within {_WITHIN_S:g} s")
    return b"".join(parts)


class _NoRedirects(HTTPRedirectHandler):
    """Follows nothing: where an address leads is for its owner to say, not for whoever answers."""

    def redirect_request(self, *told: Any, **more: Any) -> None:
        del told, more


def _words(error: Exception) -> str:
    code = getattr(error, "code", None)
    if code in (301, 302, 303, 307, 308):
        return "it leads to another address; write that one"
    if code is not None:
        return f"it answers {code}"
    inner = getattr(error, "reason", error)
    return getattr(inner, "strerror", None) or type(inner).__name__


def _mark(address: str) -> str:
    from alerting.digest import text_digest

    return text_digest(address)
