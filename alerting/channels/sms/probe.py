"""Checking an account and its sender without sending anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alerting.channels.base import Check
from alerting.channels.sms.account import Account, Failed


async def checks(account: Account) -> Sequence[Check]:
    """Ask for the account, its balance and its sender; stop at the first that shows we cannot ask."""
    standing = await _standing(account)
    if not standing.ok:
        return (standing,)
    return (standing, await _balance(account), await _sender(account))


async def _standing(account: Account) -> Check:
    sid = account.config.account_sid
    found = await account.ask(lambda twilio: twilio.api.v2010.accounts(sid).fetch_async())
    if isinstance(found, Failed):
        return _failed("account", found)
    status, kind = str(found.status), str(found.type)
    if status != "active":
        return Check(what="account", ok=False, detail=f"the account is {status}", fix="call Twilio")
    if kind == "Trial":
        detail = "a trial account texts verified numbers only"
        return Check(what="account", ok=False, detail=detail, fix="upgrade the account")
    return Check(what="account", ok=True, detail=f"{found.friendly_name}, {status}")


async def _balance(account: Account) -> Check:
    found = await account.ask(lambda twilio: twilio.balance.fetch_async())
    if isinstance(found, Failed):
        return _failed("balance", found)
    try:
        left = float(found.balance)
    except (TypeError, ValueError):
        return Check(what="balance", ok=False, detail="Twilio named no amount", fix="look at the console")
    fix = "" if left > 0 else "top up the account"
    return Check(what="balance", ok=left > 0, detail=f"{left:.2f} {found.currency}", fix=fix)


async def _sender(account: Account) -> Check:
    config = account.config
    if config.messaging_service:
        return await _service(account, config.messaging_service)
    sender = config.sender or ""
    found = await account.ask(lambda twilio: _owned(twilio, sender))
    if isinstance(found, Failed):
        return _unknown_here(found) if found.missing and account.base_url else _failed("sender", found)
    if not found:
        fix = "buy the number, or correct from"
        return Check(what="sender", ok=False, detail=f"{sender} does not belong to the account", fix=fix)
    able = getattr(found[0], "capabilities", None)
    if isinstance(able, dict) and able.get("sms") is False:
        return Check(what="sender", ok=False, detail=f"{sender} cannot send texts", fix="use another number")
    return Check(what="sender", ok=True, detail=sender)


async def _service(account: Account, service: str) -> Check:
    found = await account.ask(lambda twilio: twilio.messaging.v1.services(service).fetch_async())
    if isinstance(found, Failed):
        return _unknown_here(found) if found.missing and account.base_url else _failed("sender", found)
    return Check(what="sender", ok=True, detail=f"Messaging Service {found.friendly_name}")


async def _owned(twilio: Any, sender: str) -> Sequence[Any]:
    if sender.startswith("+"):
        numbers: Sequence[Any] = await twilio.incoming_phone_numbers.list_async(phone_number=sender, limit=1)
        return numbers
    codes: Sequence[Any] = await twilio.short_codes.list_async(short_code=sender, limit=1)
    return codes


def _failed(what: str, failed: Failed) -> Check:
    return Check(what=what, ok=False, detail=failed.words, fix=failed.outcome.reason.advice)


def _unknown_here(failed: Failed) -> Check:
    """A host that stands in for Twilio need not know about senders."""
    return Check(what="sender", ok=True, detail=f"not checked: {failed.words}")
