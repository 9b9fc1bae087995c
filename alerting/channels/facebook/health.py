"""What a probe of a page finds: the page, the API's version, the token."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from alerting.channels.base import Check
from alerting.channels.facebook import codes
from alerting.channels.web_answer import Answer, Silence, at, shown, text_at
from alerting.secret import Secret

#: Without these no post is made, and no look-up is answered.
NEEDED: Final = ("pages_manage_posts", "pages_read_engagement")
#: What Graph counts, each in percent of what it allows.
_USED: Final = ("call_count", "total_time", "total_cputime")


def page(said: Answer, now: datetime, hide: Iterable[Secret]) -> Sequence[Check]:
    """Judge what Graph said when it was asked for the page."""
    name = text_at(said.document, "name")
    if not (said.ok and name):
        return (refused("credentials", said, now, hide),)
    hidden = said.document.get("is_published") is False
    fix = "publish the page, or nobody sees its posts" if hidden else ""
    return (
        Check(what="credentials", ok=True, detail="Graph takes the token"),
        Check(
            what="page", ok=not hidden, detail=shown(name) + (", not published" if hidden else ""), fix=fix
        ),
    )


def version(said: Answer, configured: str, now: datetime) -> Sequence[Check]:
    """Judge the configured version: when it ends, and whether Graph still answers in it."""
    served = shown(said.headers.get("facebook-api-version", ""))
    fix = f"write version: {codes.NEWEST}"
    if served and served != configured:
        return (Check(what="version", ok=False, detail=f"{configured} is answered as {served}", fix=fix),)
    last = codes.LAST_DAYS.get(configured)
    if last is None:
        return (Check(what="version", ok=True, detail=f"{configured}, no last day known"),)
    ending = last - now.date() < codes.NOTICE
    return (
        Check(what="version", ok=not ending, detail=f"{configured} ends {last}", fix=fix if ending else ""),
    )


def headroom(said: Answer, low: int) -> Sequence[Check]:
    """Judge what Graph says of the calls that are left, in percent; it says nothing before some were used.

    Source: https://developers.facebook.com/docs/graph-api/overview/rate-limiting (read 2026-11)
    """
    used = [*_shares(_usage(said, "x-app-usage"))]
    for entries in _usage(said, "x-business-use-case-usage").values():
        for entry in entries if isinstance(entries, list) else ():
            used += _shares(entry)
    if not used:
        return ()
    left = max(0, 100 - int(max(used)))
    if not left:
        fix = "wait an hour; find what else calls Graph with this app or page"
        return (Check(what="calls", ok=False, detail="all that Graph allows are used", fix=fix),)
    much = left >= low
    word = f"at least {low} % of the calls left" if much else f"less than {low} % of the calls left"
    fix = "" if much else "find what else calls Graph with this app or page"
    return (Check(what="headroom", ok=much, detail=f"{word}, {left} %", fix=fix),)


def _usage(said: Answer, header: str) -> Mapping[str, object]:
    try:
        found = json.loads(said.headers.get(header, ""))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _shares(entry: object) -> Iterator[float]:
    for name in _USED:
        share = at(entry, name)
        if isinstance(share, int | float) and not isinstance(share, bool) and share >= 0:
            yield float(share)


def token(said: Answer | Silence, now: datetime, hide: Iterable[Secret]) -> Sequence[Check]:
    """Judge what Graph said when it was asked about the token."""
    if isinstance(said, Silence) or not isinstance(data := at(said.document, "data"), dict):
        return (refused("token", said, now, hide),)
    scopes = data.get("scopes")
    lacking = [name for name in NEEDED if not isinstance(scopes, list) or name not in scopes]
    valid = data.get("is_valid") is True
    return (
        Check(
            what="token",
            ok=valid,
            detail="valid" if valid else shown(text_at(data, "error", "message"), hide=hide) or "not valid",
            fix="" if valid else "make a new page token",
        ),
        _expiry(data.get("expires_at"), now),
        Check(
            what="permission",
            ok=not lacking,
            detail=f"lacks {', '.join(lacking)}" if lacking else "may post and read",
            fix="grant it to the app, then make a new page token" if lacking else "",
        ),
    )


def refused(what: str, said: Answer | Silence, now: datetime, hide: Iterable[Secret]) -> Check:
    """Return the finding for an answer that is not what was asked for."""
    outcome = codes.refusal(said, now=now, hide=hide)
    return Check(what=what, ok=False, detail=outcome.detail, fix=outcome.reason.advice)


def _expiry(expires_at: object, now: datetime) -> Check:
    # Zero is Graph's word for never.
    if not isinstance(expires_at, int) or expires_at <= 0:
        return Check(what="token expiry", ok=True, detail="does not expire")
    ends = datetime.fromtimestamp(min(expires_at, 253_402_300_799), UTC)
    soon = ends - now < codes.NOTICE
    fix = "use a page token of a system user, which does not expire" if soon else ""
    return Check(what="token expiry", ok=not soon, detail=f"expires {ends:%Y-%m-%d}", fix=fix)
