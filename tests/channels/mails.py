"""Mails to send in tests, and channels to send them with."""

from __future__ import annotations

from alerting.channels.base import Surroundings
from alerting.channels.email.channel import build
from alerting.channels.email.config import SmtpConfig
from alerting.clock import FrozenClock
from alerting.model.audience import Address
from alerting.model.message import Content, Unit
from alerting.secret import Secret
from alerting.testing.builders import an_envelope

LOGIN = {"username": "alerts", "password": Secret("hunter2-canary")}
KEYS = [f"{number:032x}" for number in range(400)]


def content(text="Run. Hide. Fight.", subject="Active threat", html=""):
    return Content(text=text, subject=subject, html=html, size=1, limit=100_000, unit=Unit.CHARACTERS)


def envelope(number=0, **overrides):
    overrides.setdefault("content", content())
    return an_envelope(
        number, **{"address": Address.parse(f"email:p{number}@example.edu"), "key": KEYS[number], **overrides}
    )


def channel_to(port, **settings):
    given = {"name": "mail", "host": "127.0.0.1", "port": port, "tls": "none"}
    within_s = settings.pop("deadline_s", 5)
    config = SmtpConfig(**{**given, "from": "alerts@example.edu", "from_name": "Campus Alerts", **settings})
    # Shorter than a campus may configure, so that tests of silence are quick.
    config = config.model_copy(update={"deadline_s": within_s})
    return build(config, Surroundings(clock=FrozenClock(), campus="Example University"))


async def send_one(relay, number=0, **settings):
    """Send one mail to a relay, over a channel of its own."""
    channel = channel_to(relay.port, **settings)
    try:
        return await channel.send(envelope(number))
    finally:
        await channel.aclose()
