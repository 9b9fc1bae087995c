"""Mails over one connection: ``python -m benchmarks.mailing PORT COUNT single|batch|aiosmtplib``.

Prints mails (to one person each) a second, connection and greeting left out.
``python -m benchmarks.mailing - COUNT splice|message`` prints CPU microseconds a mail for its bytes alone.
"""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP

from alerting.channels.base import Surroundings
from alerting.channels.email.channel import build
from alerting.channels.email.config import SmtpConfig
from alerting.channels.email.message import Letterhead, compose, head
from alerting.clock import SystemClock
from alerting.model.audience import Address, AddressKind
from alerting.model.message import Content, Unit
from alerting.testing.builders import an_envelope

_TEXT = "GAS LEAK at Baker Hall. Leave on foot. " * 36
CONTENT = Content(
    subject="Gas leak",
    text=_TEXT,
    html=f"<p>{_TEXT}</p>",
    size=len(_TEXT),
    limit=100_000,
    unit=Unit.CHARACTERS,
)
_BATCH = 50


def message(n: int) -> bytes:
    made = EmailMessage(policy=SMTP)
    made["From"], made["To"], made["Subject"] = (
        "alerts@example.edu",
        f"person{n}@example.edu",
        CONTENT.subject,
    )
    made["Message-ID"] = f"<{n:032x}@example.edu>"
    made.set_content(CONTENT.text)
    made.add_alternative(CONTENT.html, subtype="html")
    return made.as_bytes()


async def ours(port: int, count: int, batch: int) -> float:
    settings = SmtpConfig.model_validate(
        {"name": "mail", "host": "127.0.0.1", "port": port, "tls": "none", "from": "alerts@example.edu",
         "in_flight": 1, "batch": batch}
    )  # fmt: skip
    channel = build(settings, Surroundings(clock=SystemClock(), campus="NSU"))
    ends = datetime.now(UTC) + timedelta(hours=1)

    def envelope(n: int):
        address = Address(AddressKind.EMAIL, f"person{n}@example.edu")
        return an_envelope(key=f"{n:032x}", address=address, content=CONTENT, expires_at=ends)

    await channel.send(envelope(0))
    began, todo = time.perf_counter(), iter(range(1, count + 1, batch))

    async def work() -> None:
        for first in todo:
            envelopes = [envelope(n) for n in range(first, first + batch)]
            if batch > 1:
                await channel.send_many(envelopes)
            else:
                await channel.send(envelopes[0])

    await asyncio.gather(*(work() for _ in range(channel.capabilities.in_flight)))
    took = time.perf_counter() - began
    await channel.aclose()
    return count / took


async def peer(port: int, count: int) -> float:
    import aiosmtplib

    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False, use_tls=False)
    await client.connect()
    text = message(0)
    began = time.perf_counter()
    for n in range(count):
        await client.sendmail("alerts@example.edu", [f"person{n}@example.edu"], text)
    took = time.perf_counter() - began
    await client.quit()
    return count / took


def bytes_alone(count: int, mode: str) -> float:
    letterhead = Letterhead(mailbox="alerts@example.edu", from_name="NSU", reply_to="", list_id="")
    text = compose(CONTENT, letterhead=letterhead, date=datetime.now(UTC), live=True)
    began = time.process_time()
    for n in range(count):
        if mode == "message":
            message(n)
        else:
            _ = head(message_id=f"<{n:032x}@example.edu>", to=b"person%d@example.edu" % n, thread=()) + text
    return (time.process_time() - began) / count * 1e6


def main() -> None:
    port, count, mode = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    if mode in ("splice", "message"):
        print(bytes_alone(count, mode))
    elif mode == "aiosmtplib":
        print(asyncio.run(peer(int(port), count)))
    else:
        print(asyncio.run(ours(int(port), count, _BATCH if mode == "batch" else 1)))


if __name__ == "__main__":
    main()
