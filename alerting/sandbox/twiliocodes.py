"""Twilio's error codes and how an error is written."""

from typing import Final

from alerting.sandbox.exchange import Reply

#: Codes from here on are not errors of the create: they come later, as a status.
FIRST_LATE_CODE: Final = 30000

#: Twilio's own test numbers.  www.twilio.com/docs/iam/test-credentials (read 2026-11)
MAGIC: Final = {
    "+15005550001": 21211,
    "+15005550002": 21612,
    "+15005550003": 21408,
    "+15005550004": 21610,
    "+15005550009": 21614,
}

#: Code -> HTTP status and message.  www.twilio.com/docs/api/errors (read 2026-11)
ERRORS: Final = {
    20003: (401, "Authenticate"),
    20005: (403, "Account not active"),
    20404: (404, "The requested resource was not found"),
    20429: (429, "Too Many Requests"),
    20500: (500, "Internal Server Error"),
    20503: (503, "Service is unavailable. Please try again"),
    21211: (400, "The 'To' number {to} is not a valid phone number."),
    21408: (400, "Permission to send an SMS has not been enabled for the region of the 'To' number: {to}."),
    21602: (400, "Message body is required."),
    21603: (400, "A 'From' phone number is required."),
    21604: (400, "A 'To' phone number is required."),
    21606: (400, "The 'From' phone number provided is not a valid, SMS-capable number for your account."),
    21610: (400, "Attempt to send to unsubscribed recipient"),
    21611: (400, "This 'From' number has exceeded the maximum number of queued messages"),
    21612: (400, "The 'To' phone number: {to}, is not currently reachable using the 'From' phone number."),
    21614: (400, "To number: {to}, is not a mobile number"),
    21617: (400, "The concatenated message body exceeds the 1600 character limit"),
    30409: (400, "This message cannot be canceled"),
}
CODE_FOR: Final = {400: 21211, 401: 20003, 403: 20005, 404: 20404, 429: 20429, 503: 20503}


def error(code: int, message: str = "", *, status: int = 0, to: str = "") -> Reply:
    """The Twilio error body for a code."""
    usual_status, usual = ERRORS.get(code, (400, f"Error {code}"))
    body = {
        "code": code,
        "message": message or usual.format(to=to),
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status or usual_status,
    }
    return Reply.of(body, status or usual_status)
