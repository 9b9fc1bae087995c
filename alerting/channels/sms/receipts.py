"""What Twilio posts to us: statuses of our messages, and what people write back.

Every call is verified by the SDK over the configured public address. Which of Twilio's two schemes is
expected is ours to say: the header that names one may only agree.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, parse_qsl

from alerting.channels.base import Callback, Forged, Reading, Reply
from alerting.channels.sms.codes import reason_for
from alerting.channels.sms.outcomes import code_in
from alerting.clock import Clock
from alerting.model.outcome import Reason
from alerting.model.receipt import Receipt, ReceiptStatus

if TYPE_CHECKING:
    from twilio.request_validator import RequestValidator

    from alerting.channels.sms.config import TwilioConfig

#: Where statuses are posted, under our own public address; ``d`` is the delivery's handle.
STATUS_PATH: Final = "/twilio/status"
#: Where what people write is posted; set in Twilio's console for the number or the Messaging Service.
INBOUND_PATH: Final = "/twilio/inbound"

_SIGNATURE: Final = "x-twilio-signature"
_SETTINGS: Final = "x-twilio-webhooks-signature-settings"
_TOKEN: Final = "i-twilio-idempotency-token"  # noqa: S105  # a header's name
_HANDLE: Final = re.compile(r"[0-9a-f]{32}(?:\.[0-9]{1,19})?")
_PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_MOST_FIELDS: Final = 100
_SHOWN: Final = 40

#: Twilio's status of an outgoing message -> what it says.  A word that is not here is kept as QUEUED
#: with the word in the detail: it proves that Twilio has the message, and no more.
#: https://www.twilio.com/docs/messaging/api/message-resource#message-status-values (read 2026-11)
STATUSES: Final[Mapping[str, ReceiptStatus]] = {
    "accepted": ReceiptStatus.QUEUED,
    "scheduled": ReceiptStatus.QUEUED,
    "queued": ReceiptStatus.QUEUED,
    "sending": ReceiptStatus.QUEUED,
    "sent": ReceiptStatus.SENT,
    "partially_delivered": ReceiptStatus.SENT,
    "delivered": ReceiptStatus.DELIVERED,
    "read": ReceiptStatus.READ,
    "undelivered": ReceiptStatus.UNDELIVERED,
    "failed": ReceiptStatus.UNDELIVERED,
    "canceled": ReceiptStatus.UNDELIVERED,
}
#: Words that make Twilio stop, or start again, for a number, and what they mean here.
#: https://www.twilio.com/docs/messaging/guides/help-with-opt-out-keywords (read 2026-11)
KEYWORDS: Final[Mapping[str, ReceiptStatus]] = {
    **dict.fromkeys(
        ("STOP", "UNSUBSCRIBE", "END", "QUIT", "STOPALL", "REVOKE", "OPTOUT", "CANCEL"),
        ReceiptStatus.OPTED_OUT,
    ),
    **dict.fromkeys(("START", "YES", "UNSTOP"), ReceiptStatus.OPTED_IN),
}
_TWIML: Final = b'<?xml version="1.0" encoding="UTF-8"?><Response/>'


class Fields(dict[str, list[str]]):
    """A form in which names may repeat; ``getlist`` is how the SDK reads such a thing."""

    def getlist(self, name: str) -> list[str]:
        """Return every value of a name."""
        return self[name]

    def one(self, name: str) -> str:
        """Return the value of a name; nothing where it is missing or comes with several values.

        The signature does not cover the order of repeated values, so which one counts is not to be known.
        """
        values = set(self.get(name, ()))
        return values.pop() if len(values) == 1 else ""


class TwilioReceipts:
    """Verifies and reads Twilio's calls for one channel; keeps nothing."""

    def __init__(self, config: TwilioConfig, clock: Clock) -> None:
        self._config, self._clock = config, clock
        self._algorithm = "HMAC_SHA256" if config.webhook_key is not None else "HMAC_SHA1"
        self._validator: RequestValidator | None = None

    @property
    def paths(self) -> Sequence[str]:
        """Where Twilio calls; none where nothing could be verified."""
        config = self._config
        return (STATUS_PATH, INBOUND_PATH) if config.webhook_key or config.auth_token else ()

    def read(self, path: str, callback: Callback) -> Reading | Forged:
        """Verify a call, then read it."""
        if callback.method != "POST":
            return Reading(status=405)
        fields = self._verified(callback)
        if isinstance(fields, Forged):
            return fields
        if fields.one("AccountSid") != self._config.account_sid:
            return Forged("of another account")
        return self._status(fields, callback) if path == STATUS_PATH else self._inbound(fields, callback)

    # -- verifying --------------------------------------------------------------------------------

    def _verified(self, callback: Callback) -> Fields | Forged:
        """Return the fields of a genuine call."""
        signature = callback.headers.get(_SIGNATURE, "")
        if not signature:
            return Forged("no signature")
        if self._announced(callback.headers.get(_SETTINGS, "")) != self._algorithm:
            return Forged("signed by another scheme than the configured one")
        try:
            text = callback.body.decode("utf-8")
            is_json = "json" in callback.headers.get("content-type", "")
            fields = _fields_of_json(text) if is_json else _fields_of_form(text)
        except ValueError:
            return Forged("its body cannot be read")
        if is_json and "bodySHA256" not in parse_qs(callback.query):
            return Forged("its body is not covered by the signature")
        url = f"{callback.url}?{callback.query}" if callback.query else callback.url
        try:
            genuine = self._ready().validate(url, text if is_json else fields, signature, self._algorithm)
        except ValueError:  # an address or a character the SDK cannot work with
            genuine = False
        return fields if genuine else Forged("its signature is wrong")

    def _announced(self, header: str) -> str:
        from twilio.request_validator import get_signature_algorithm

        return str(get_signature_algorithm(header)).upper()

    def _ready(self) -> RequestValidator:
        if self._validator is None:
            from twilio.request_validator import RequestValidator

            secret = self._config.webhook_key or self._config.auth_token
            assert secret is not None, "without a secret there are no paths"
            self._validator = RequestValidator(secret.reveal())
        return self._validator

    # -- reading ----------------------------------------------------------------------------------

    def _status(self, fields: Fields, callback: Callback) -> Reading:
        sid, word = fields.one("MessageSid"), fields.one("MessageStatus").lower()
        if not sid or not word:
            return Reading()
        handle = parse_qs(callback.query).get("d", [""])[0]
        receipt = self.receipt(
            sid=sid,
            word=word,
            code=code_in(fields.one("ErrorCode")),
            to=fields.one("To"),
            key=handle if _HANDLE.fullmatch(handle) else "",
            token=callback.headers.get(_TOKEN, ""),
        )
        return Reading(receipts=(receipt,))

    def receipt(self, *, sid: str, word: str, code: int, to: str, key: str = "", token: str = "") -> Receipt:
        """Return what a status says, told by a callback or by Twilio's list.

        ``token`` is the same for every repeat of one callback. It is not signed, so it only tells apart
        what the signed fields say.
        """
        status = STATUSES.get(word, ReceiptStatus.QUEUED)
        failed = status is ReceiptStatus.UNDELIVERED
        detail = str(code) if code else "" if word in STATUSES else word[:_SHOWN]
        return Receipt(
            channel=self._config.name,
            status=status,
            at=self._clock.now(),
            key=key,
            provider_id=sid,
            address=f"phone:{to}" if _PHONE.fullmatch(to) else "",
            reason=_reason(word, code).code if failed else "",
            detail=detail,
            dedupe=f"{sid}:{word}:{code}:{token}",
        )

    def _inbound(self, fields: Fields, callback: Callback) -> Reading:
        """Read what a person wrote; Twilio answers STOP, START and HELP by itself."""
        sender, text = fields.one("From"), fields.one("Body")
        if not (self._is_ours(fields) and _PHONE.fullmatch(sender)):
            return _answered()
        sid = fields.one("MessageSid")
        told = fields.one("OptOutType") or " ".join(text.split()).upper().rstrip(".!")
        status = KEYWORDS.get(told.upper())
        at, address = self._clock.now(), f"phone:{sender}"
        if status is None:
            reply = Reply(channel=self._config.name, address=address, text=text, at=at, provider_id=sid)
            return _answered(replies=(reply,))
        token = sid or callback.headers.get(_TOKEN, "")
        receipt = Receipt(
            channel=self._config.name,
            status=status,
            at=at,
            provider_id=sid,
            address=address,
            detail=told.upper()[:_SHOWN],
            dedupe=f"{token}:{status}",
        )
        return _answered(receipts=(receipt,))

    def _is_ours(self, fields: Fields) -> bool:
        if self._config.messaging_service:
            return fields.one("MessagingServiceSid") == self._config.messaging_service
        return fields.one("To") == self._config.sender


def _reason(word: str, code: int) -> Reason:
    if code:
        return reason_for(code)
    return Reason.CANCELLED if word == "canceled" else Reason.UNREACHABLE


def _answered(**told: Any) -> Reading:
    return Reading(status=200, body=_TWIML, content_type="text/xml", **told)


def _fields_of_form(text: str) -> Fields:
    pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    fields = Fields()
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return fields


def _fields_of_json(text: str) -> Fields:
    try:
        found = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    json.dumps(found, ensure_ascii=False).encode()  # half a character is a ValueError
    if not isinstance(found, dict):
        raise ValueError("not an object")  # noqa: TRY004  # for the caller both are a body nobody can read
    return Fields({name: [str(value)] for name, value in found.items() if isinstance(value, str | int)})
