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


def time(said: Answer, now: datetime) -> Sequence[Check]:
    """Judge our clock by X's: a signature carries the time, and is refused when that is minutes off."""
    if said.at is None:
        return ()
    off = now - said.at
    fine = abs(off) <= codes.SKEW
    fix = "" if fine else "set this machine's clock; X refuses signatures of another time"
    return (Check(what="clock", ok=fine, detail=f"{off.total_seconds():+.0f} s against X", fix=fix),)
