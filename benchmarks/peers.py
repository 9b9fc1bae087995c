"""How others send the same texts: ``python -m benchmarks.peers NAME URL COUNT [IN_FLIGHT]``.

For texts and mails (``…-both``) the URL is followed by ``+`` and the relay's port.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

BODY = "NSU ALERT 3:05pm: GAS LEAK at Baker Hall. Can explode. LEAVE on foot. No flames, switches, cars."
SID, TOKEN, SENDER = "AC" + "0" * 32, "t" * 32, "+14135550199"


def phones(count: int) -> list[str]:
    """Return as many different fictional numbers as asked for."""
    return [f"+1{200 + n // 1_000_000}{n % 10_000_000:07d}" for n in range(count)]


def mailboxes(count: int) -> list[str]:
    """Return as many different mailboxes as asked for."""
    return [f"person{n}@example.edu" for n in range(count)]


def aiohttp_plain(url: str, count: int, in_flight: int) -> None:
    """Plain aiohttp, no ledger at all: the reference."""
    import aiohttp

    async def run() -> None:
        path = f"{url}/2010-04-01/Accounts/{SID}/Messages.json"
        numbers = iter(phones(count))
        auth = {"Authorization": aiohttp.encode_basic_auth(SID, TOKEN)}
        connector = aiohttp.TCPConnector(limit=in_flight, ssl=_context(url))

        async def work(session: aiohttp.ClientSession) -> None:
            for number in numbers:
                form = {"To": number, "From": SENDER, "Body": BODY}
                async with session.post(path, data=form, headers=auth) as answer:
                    assert (await answer.json())["sid"]

        async with aiohttp.ClientSession(connector=connector) as session:
            await asyncio.gather(*(work(session) for _ in range(in_flight)))

    asyncio.run(run())


def sdk_threads(url: str, count: int, _in_flight: int) -> None:
    """A pool of 32 threads calling messages.create."""
    client = _sdk(url)
    with ThreadPoolExecutor(32) as pool:
        for message in pool.map(
            lambda to: client.messages.create(to=to, from_=SENDER, body=BODY), phones(count)
        ):
            assert message.sid


def sdk_loop(url: str, count: int, _in_flight: int) -> None:
    """A plain loop of messages.create."""
    client = _sdk(url)
    for to in phones(count):
        assert client.messages.create(to=to, from_=SENDER, body=BODY).sid


def apprise(url: str, count: int, _in_flight: int) -> None:
    """Apprise's own plugin for the provider, its throttle off."""
    import apprise as library
    from apprise.plugins.twilio import NotifyTwilio

    NotifyTwilio.request_rate_per_sec = 0
    NotifyTwilio.notify_sms_url = f"{url}/2010-04-01/Accounts/{{sid}}/Messages.json"
    plugin = NotifyTwilio(
        account_sid=SID,
        auth_token=TOKEN,
        source=SENDER,
        targets=phones(count),
        asset=library.AppriseAsset(async_mode=False),
    )
    assert plugin.send(body=BODY, title="") is True


def apprise_both(url: str, count: int, _in_flight: int) -> None:
    """Apprise's own plugins for both, their throttles off: texts, then mails over one connection."""
    from apprise.plugins.email.base import NotifyEmail

    texts, _, port = url.partition("+")
    apprise(texts, count, 1)
    NotifyEmail.request_rate_per_sec = 0
    plugin = NotifyEmail(
        host="127.0.0.1",
        port=int(port),
        secure=False,
        from_addr="alerts@example.edu",
        targets=mailboxes(count),
    )
    assert plugin.send(body=BODY, title="Gas leak") is True


def sdk_threads_both(url: str, count: int, _in_flight: int) -> None:
    """A pool of 32 threads, each with a mail connection of its own: a person's text, then their mail."""
    import smtplib
    from email.message import EmailMessage

    texts, _, port = url.partition("+")
    client, mine = _sdk(texts), threading.local()

    def tell(person: tuple[str, str]) -> None:
        phone, mailbox = person
        assert client.messages.create(to=phone, from_=SENDER, body=BODY).sid
        if not hasattr(mine, "relay"):
            mine.relay = smtplib.SMTP("127.0.0.1", int(port), local_hostname="localhost")
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "alerts@example.edu", mailbox, "Gas leak"
        mail.set_content(BODY)
        mail.add_alternative(f"<p>{BODY}</p>", subtype="html")
        assert mine.relay.send_message(mail) == {}

    with ThreadPoolExecutor(32) as pool:
        for _ in pool.map(tell, zip(phones(count), mailboxes(count), strict=True)):
            pass


def _sdk(url: str):
    from twilio.rest import Client

    client = Client(SID, TOKEN)
    client.api.base_url = url
    return client


def _context(url: str):
    if not url.startswith("https"):
        return False
    import ssl

    return ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])


PEERS: dict[str, Callable[[str, int, int], None]] = {
    "aiohttp": aiohttp_plain,
    "sdk-threads": sdk_threads,
    "sdk-loop": sdk_loop,
    "apprise": apprise,
    "apprise-both": apprise_both,
    "sdk-threads-both": sdk_threads_both,
}


def _stay_here() -> None:
    """Let nothing leave this machine, whatever a peer's own default hosts are."""
    look_up = socket.getaddrinfo

    def only_here(host: object, *more: object, **named: object) -> object:
        if host not in ("127.0.0.1", "localhost", b"127.0.0.1"):
            raise OSError(f"a benchmark may not speak to {host}")
        return look_up(host, *more, **named)  # type: ignore[arg-type]

    socket.getaddrinfo = only_here  # type: ignore[assignment]


if __name__ == "__main__":
    _stay_here()
    name, url, count, *rest = sys.argv[1:]
    PEERS[name](url, int(count), int(rest[0]) if rest else 50)
