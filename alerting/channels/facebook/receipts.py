"""What Facebook posts to us: what people answer under our posts and write to the page.

Facebook tells of no arrivals. Its calls are signed over the raw bytes with the app's secret; before
the first one it asks whether the address is ours, with a word we agreed on.

Source: https://developers.facebook.com/docs/graph-api/webhooks/getting-started (read 2026-11)
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from alerting.channels.base import Callback, Forged, Reading, Reply
from alerting.channels.web_answer import at, entries_at, text_at
from alerting.clock import Clock

if TYPE_CHECKING:
    from alerting.channels.facebook.config import FacebookSettings

PATH: Final = "/facebook/webhook"
_SIGNATURE: Final = "x-hub-signature-256"
_LONGEST_CHALLENGE: Final = 200


class FacebookReceipts:
    """Verifies and reads Facebook's calls for one page; keeps nothing."""

    def __init__(self, settings: FacebookSettings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock

    @property
    def paths(self) -> Sequence[str]:
        """Where Facebook calls; none where nothing could be verified."""
        settings = self._settings
        return (PATH,) if settings.verify_token is not None and settings.app_secret.reveal() else ()

    def read(self, callback: Callback) -> Reading | Forged:
        """Answer the question whether we are we, or verify a call and read it."""
        if callback.method == "GET":
            return self._challenged(callback.query)
        told = callback.headers.get(_SIGNATURE, "")
        secret = self._settings.app_secret.reveal().encode()
        ours = "sha256=" + hmac.new(secret, callback.body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(told.encode("utf-8", "replace"), ours.encode()):
            return Forged("its signature is wrong" if told else "no signature")
        return Reading(status=200, replies=tuple(self._replies(_document(callback.body))))

    def _challenged(self, query: str) -> Reading | Forged:
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        token, challenge = self._settings.verify_token, asked.get("hub.challenge", "")
        word = asked.get("hub.verify_token", "").encode("utf-8", "replace")
        known = token is not None and hmac.compare_digest(word, token.reveal().encode())
        if not known or asked.get("hub.mode") != "subscribe":
            return Forged("its verify token is wrong")
        if not challenge.isascii() or not challenge.isalnum() or len(challenge) > _LONGEST_CHALLENGE:
            return Forged("its challenge is none")
        return Reading(status=200, body=challenge.encode())

    def _replies(self, document: Mapping[str, object]) -> Iterator[Reply]:
        now = self._clock.now()
        for entry in entries_at(document, "entry"):
            for change in entries_at(entry, "changes"):
                value = at(change, "value")
                if text_at(value, "item") == "comment" and text_at(value, "verb") == "add":
                    yield from self._reply(value, ("from", "id"), ("message",), ("comment_id",), now)
            for event in entries_at(entry, "messaging"):
                yield from self._reply(event, ("sender", "id"), ("message", "text"), ("message", "mid"), now)

    def _reply(
        self,
        event: object,
        author: tuple[str, ...],
        text: tuple[str, ...],
        name: tuple[str, ...],
        now: datetime,
    ) -> Iterator[Reply]:
        who, words = text_at(event, *author), text_at(event, *text)
        if words and who and who != self._settings.page:
            address = f"feed:facebook/{who}"
            provider_id = text_at(event, *name)
            yield Reply(
                channel=self._settings.name, address=address, text=words, at=now, provider_id=provider_id
            )


def _document(body: bytes) -> Mapping[str, object]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
