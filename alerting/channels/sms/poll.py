"""Asking Twilio how messages stand, where its callbacks cannot reach us.

Few messages are asked for one by one. Many are looked for in Twilio's list, newest first, which tells
a thousand at a time; what it does not show within a few pages is left out, and asked for next time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from alerting.channels.sms.account import Account, Failed
from alerting.channels.sms.outcomes import code_in
from alerting.channels.sms.receipts import TwilioReceipts
from alerting.model.receipt import Receipt

#: Up to so many are asked for one by one, that many at once.
_FEW: Final = 20
_AT_ONCE: Final = 5
_PAGE: Final = 1000
#: Other messages of the account may lie between ours: so many entries are read for each that is sought.
_AROUND: Final = 3


async def poll(account: Account, receipts: TwilioReceipts, sids: Sequence[str]) -> Sequence[Receipt]:
    """Return how messages stand now, as receipts; those Twilio does not show are missing."""
    found = await (_one_by_one(account, sids) if len(sids) <= _FEW else _listed(account, sids))
    return [
        receipts.receipt(
            sid=str(message.sid),
            word=str(message.status),
            code=code_in(message.error_code),
            to=str(message.to),
            token="poll",  # noqa: S106  # what stands where a callback has its token
        )
        for message in found
    ]


async def _one_by_one(account: Account, sids: Sequence[str]) -> Sequence[Any]:
    turns = asyncio.Semaphore(_AT_ONCE)

    async def ask(sid: str) -> Any:
        async with turns:
            return await account.ask(lambda twilio: twilio.messages(sid).fetch_async())

    told = await asyncio.gather(*(ask(sid) for sid in sids))
    return [message for message in told if not isinstance(message, Failed)]


async def _listed(account: Account, sids: Sequence[str]) -> Sequence[Any]:
    sender = account.config.sender
    most = max(_PAGE, len(sids) * _AROUND)
    only = {"from_": sender} if sender else {}
    told = await account.ask(lambda twilio: twilio.messages.list_async(limit=most, page_size=_PAGE, **only))
    if isinstance(told, Failed):
        return ()
    wanted = frozenset(sids)
    return [message for message in told if message.sid in wanted]
