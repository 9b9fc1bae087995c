"""What X posts to us: what people answer to our posts. X tells of no arrivals.

X asks every hour whether the address is still ours (CRC) and stops calling when the answer fails.
Its calls are signed over the raw bytes with the app's consumer secret.

Source: https://docs.x.com/x-api/webhooks/introduction (read 2026-11)
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from alerting.channels.base import Callback, Forged, Reading, Reply
from alerting.channels.web_answer import at, entries_at, text_at
from alerting.clock import Clock

if TYPE_CHECKING:
    from alerting.channels.x.config import XSettings

PATH: Final = "/x/webhook"
_SIGNATURE: Final = "x-twitter-webhooks-signature"
#: What a CRC token may be made of. X signs its calls in the very way it lets us sign tokens: whoever could
#: make us sign any text could make us sign a call. No call that means something is made of these alone.
_TOKEN: Final = re.compile(r"[A-Za-z0-9_=+/-]{1,200}")


class XReceipts:
    """Verifies and reads X's calls for one account; keeps nothing."""

    def __init__(self, settings: XSettings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock

    @property
    def paths(self) -> Sequence[str]:
        """Where X calls, if it was asked to."""
        return (PATH,) if self._settings.webhooks else ()

    def read(self, callback: Callback) -> Reading | Forged:
        """Answer a CRC, or verify a call and read it."""
        if callback.method == "GET":
            return self._challenged(callback.query)
        told = callback.headers.get(_SIGNATURE, "")
        if not hmac.compare_digest(told.encode("utf-8", "replace"), self._sign(callback.body).encode()):
            return Forged("its signature is wrong" if told else "no signature")
        return Reading(status=200, replies=tuple(self._replies(_document(callback.body))))

    def _challenged(self, query: str) -> Reading | Forged:
        token = parse_qs(query).get("crc_token", [""])[0]
        if not _TOKEN.fullmatch(token):
            return Forged("no CRC token")
        answer = json.dumps({"response_token": self._sign(token.encode())})
        return Reading(status=200, body=answer.encode(), content_type="application/json")

    def _sign(self, message: bytes) -> str:
        secret = self._settings.consumer_secret.reveal().encode()
        return "sha256=" + base64.b64encode(hmac.new(secret, message, hashlib.sha256).digest()).decode()

    def _replies(self, document: Mapping[str, object]) -> Iterator[Reply]:
        """Read posts of others: Account Activity lists them, X Activity sends one at a time."""
        ours = text_at(document, "for_user_id") or text_at(document, "data", "filter", "user_id")
        for post in entries_at(document, "tweet_create_events"):
            author = text_at(post, "user", "id_str")
            yield from self._reply(text_at(post, "id_str"), author, text_at(post, "text"), ours)
        payload = at(document, "data", "payload")
        if payload is not None:
            author = text_at(payload, "author_id")
            yield from self._reply(text_at(payload, "id"), author, text_at(payload, "text"), ours)

    def _reply(self, provider_id: str, author: str, text: str, ours: str) -> Iterator[Reply]:
        if text and author and author != ours:
            yield Reply(
                channel=self._settings.name,
                address=f"feed:x/{author}",
                text=text,
                at=self._clock.now(),
                provider_id=provider_id,
            )


def _document(body: bytes) -> Mapping[str, object]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
