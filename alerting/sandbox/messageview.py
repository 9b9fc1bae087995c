"""How Twilio shows a message."""

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final

from alerting.sandbox.records import Text

ROOT: Final = "/2010-04-01/Accounts/"


def shown(text: Text, now: float, *, created: bool = False) -> dict[str, Any]:
    """The Message resource at an instant; `created`: as the create answers it, in its first status."""
    code = None if created else text.settled_error(now)
    sent = None if created else sent_at(text, now)
    made = rfc2822(text.created_at)
    pending = created and text.service is not None
    return {
        "account_sid": text.account,
        "api_version": "2010-04-01",
        "body": text.body,
        "date_created": made,
        "date_sent": rfc2822(sent) if sent else None,
        "date_updated": rfc2822(sent) if sent else made,
        "direction": "outbound-api",
        "error_code": code,
        "error_message": None if code is None else f"Error {code}",
        "from": None if pending else text.sender,
        "messaging_service_sid": text.service,
        "num_media": "0",
        "num_segments": "0" if pending else str(text.segments),
        "price": None,
        "price_unit": "USD",
        "sid": text.sid,
        "status": text.steps[0].status if created else text.status(now),
        "subresource_uris": {"media": f"{ROOT}{text.account}/Messages/{text.sid}/Media.json"},
        "to": text.to,
        "uri": f"{ROOT}{text.account}/Messages/{text.sid}.json",
    }


def sent_at(text: Text, now: float) -> datetime | None:
    """When the text left, to the second as the provider says it."""
    for step in text.steps:
        if step.status == "sent" and step.at <= now:
            return datetime.fromtimestamp(int(step.at), UTC)
    return None


def rfc2822(instant: datetime) -> str:
    """A time as the 2010 API writes it."""
    return format_datetime(instant)
