"""What a probe of an account finds: the keys, the account, what they may do, the clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from alerting.channels.base import Check
from alerting.channels.web_answer import Answer, Refusal, shown, text_at
from alerting.channels.x import codes


def identity(said: Answer, account: str, refusal: Refusal) -> Sequence[Check]:
    """Judge whom X takes us for; ``refusal`` is what the answer means if it is not that.

    Without an ``account`` any will do.
    """
    username = shown(text_at(said.document, "data", "username"))
    if not (said.ok and username):
        return (Check(what="credentials", ok=False, detail=refusal.detail, fix=refusal.reason.advice),)
    same = account.lower() in ("", username.lower())
    return (
        Check(what="credentials", ok=True, detail=f"X knows these keys as @{username}"),
        Check(
            what="account",
            ok=same,
            detail=f"posts go out as @{username}" + ("" if same else f", the settings say @{account}"),
            fix="" if same else f'write "account: {username}", or use the keys of @{account}',
        ),
    )


def permission(said: Answer) -> Sequence[Check]:
    """Judge what the token may do; X names it in a header: read, read-write, with or without messages."""
    level = shown(said.headers.get("x-access-level", ""))
    if not level:
        return ()
    fine = "write" in level
    fix = "" if fine else "give the app Read and write, then make a new access token"
    return (Check(what="permission", ok=fine, detail=level, fix=fix),)


def headroom(said: Answer, low: int) -> Sequence[Check]:
    """Judge what X says of the calls that are left: of those a probe makes, and of a day where it tells.

    A post's own limit is told only with a post, and credit only when it is gone (402).
    """
    left = {share: family for family in codes.WINDOWS if (share := _left(said, family)) is not None}
    if not left:
        return ()
    share = min(left)
    much = share >= low
    span = "15 minutes" if left[share] == codes.WINDOWS[0] else "24 hours"
    word = f"at least {low} % of the calls left" if much else f"less than {low} % of the calls left"
    fix = "" if much else "find what else calls X with these keys"
    return (Check(what="headroom", ok=much, detail=f"{word}, {share} % for {span}", fix=fix),)


def _left(said: Answer, family: str) -> int | None:
    """Return what is left of one limit, in percent."""
    told = [said.headers.get(f"{family}-{word}", "")[:12] for word in ("remaining", "limit")]
    if not all(word.isascii() and word.isdecimal() for word in told) or not int(told[1]):
        return None
    return min(100, 100 * int(told[0]) // int(told[1]))


def time(said: Answer, now: datetime) -> Sequence[Check]:
    """Judge our clock by X's: a signature carries the time, and is refused when that is minutes off."""
    if said.at is None:
        return ()
    off = now - said.at
    fine = abs(off) <= codes.SKEW
    fix = "" if fine else "set this machine's clock; X refuses signatures of another time"
    return (Check(what="clock", ok=fine, detail=f"{off.total_seconds():+.0f} s against X", fix=fix),)
