"""Checking an account and its sender without sending anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from alerting.channels.base import Check
from alerting.channels.sms.account import Account, Failed

#: North American codes whose numbers are toll-free.
_TOLL_FREE: Final = ("+1800", "+1833", "+1844", "+1855", "+1866", "+1877", "+1888")


async def checks(account: Account) -> Sequence[Check]:
    """Ask for the account, its balance and its sender; stop at the first that shows we cannot ask."""
    standing = await _standing(account)
    if not standing.ok:
        return (standing,)
    return (standing, *await _balance(account), await _sender(account))


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


async def _balance(account: Account) -> Sequence[Check]:
    found = await account.ask(lambda twilio: twilio.balance.fetch_async())
    if isinstance(found, Failed):
        return (_failed("balance", found),)
    try:
        left = float(found.balance)
    except (TypeError, ValueError):
        unnamed = "Twilio named no amount"
        return (Check(what="balance", ok=False, detail=unnamed, fix="look at the console"),)
    fix = "" if left > 0 else "top up the account"
    told = f"{left:.2f} {found.currency}"
    balance = Check(what="balance", ok=left > 0, detail=told, fix=fix, money=left)
    return (balance, _headroom(left, account.config.balance_low, str(found.currency)))


def _headroom(left: float, low: float, currency: str) -> Check:
    much = left >= low
    word = "at least" if much else "less than"
    fix = "" if much else "top up the account, and let it top itself up; balance_low sets the amount"
    return Check(what="headroom", ok=much, detail=f"{word} {low:g} {currency}", fix=fix)


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
    return await _verified(account, sender, found[0])


async def _verified(account: Account, sender: str, number: Any) -> Check:
    """A toll-free number that is not verified has every text blocked (30032); others have no such mark.

    Source: https://www.twilio.com/docs/messaging/compliance/toll-free/api-onboarding (read 2026-11)
    """
    if not sender.startswith(_TOLL_FREE):
        return Check(what="sender", ok=True, detail=sender)
    sid = str(getattr(number, "sid", ""))
    found = await account.ask(
        lambda twilio: twilio.messaging.v1.tollfree_verifications.list_async(
            tollfree_phone_number_sid=sid, limit=1
        )
    )
    if isinstance(found, Failed):
        return _unknown_here(found) if found.missing and account.base_url else _failed("sender", found)
    status = str(found[0].status) if found else "never asked for"
    if status == "TWILIO_APPROVED":
        return Check(what="sender", ok=True, detail=f"{sender}, verified")
    detail = f"{sender} is toll-free, and its verification is: {status.replace('_', ' ').lower()}"
    fix = "have it verified; until then every text is blocked"
    return Check(what="sender", ok=False, detail=detail, fix=fix)


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
