"""How X says no."""

from typing import Final

from alerting.sandbox.exchange import Reply

#: What X says, by status.  Bodies as seen in public reports: iembot#163, x-ruby#24 (read 2026-11)
PROBLEMS: Final = {
    400: ("Invalid Request", "One or more parameters to your request was invalid."),
    401: ("Unauthorized", "Unauthorized"),
    402: ("CreditsDepleted", "Your enrolled account does not have any credits to fulfill this request."),
    403: ("Forbidden", "You are not permitted to perform this action."),
    404: ("Not Found Error", "Could not find the resource."),
    429: ("Too Many Requests", "Too Many Requests"),
    500: ("Internal Server Error", "Something is broken."),
    502: ("Bad Gateway", "Bad Gateway"),
    503: ("Service Unavailable", "Service Unavailable"),
    504: ("Gateway Timeout", "Gateway Timeout"),
}
CREDITS_TYPE: Final = "https://api.twitter.com/2/problems/credits"


def problem(status: int, detail: str = "") -> Reply:
    """A problem document, with X's usual words for the status unless `detail` is given."""
    title, usual = PROBLEMS.get(status, (f"Error {status}", f"Error {status}"))
    if status == 402:  # noqa: PLR2004
        return credits_gone("0")
    body = {"title": title, "detail": detail or usual, "type": "about:blank", "status": status}
    reply = Reply.of(body, status)
    return reply._replace(headers=(("content-type", "application/problem+json; charset=utf-8"),))


def credits_gone(account: str) -> Reply:
    """The 402 of an empty account, which has a shape of its own."""
    title, detail = PROBLEMS[402]
    body = {"account_id": account, "title": title, "detail": detail, "type": CREDITS_TYPE}
    return Reply.of(body, 402)


def not_found(value: str, kind: str, parameter: str) -> dict[str, str]:
    """One entry of the `errors` that stand next to data."""
    return {
        "value": value,
        "detail": f"Could not find {kind} with {parameter}: [{value}].",
        "title": "Not Found Error",
        "resource_type": kind,
        "parameter": parameter,
        "resource_id": value,
        "type": "https://api.x.com/2/problems/resource-not-found",
    }
