"""A campus to send from: channels.yaml and a list of people, in a folder of its own."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

TEMPLATES = Path(__file__).parents[1] / "templates"
_AREAS = (413, 617, 781, 978, 508, 212, 315, 518, 607, 716, 845, 914)
_HEAD = """\
version: 1
campus: {{name: North Shore University, source: NSU ALERT, time_zone: America/New_York, region: US, link: "https://a.example.edu"}}
state: {state}
templates: {templates}
audiences: {{everyone: {{csv: {people}}}}}
defaults: {{channels: [{names}], audience: everyone}}
channels:
"""
_SMS = """\
  - name: {name}
    kind: sms.twilio
    account_sid: AC00000000000000000000000000000000
    auth_token: {{env: BENCH_TOKEN}}
    from: "+14135550199"
{where}    rate_per_s: {rate}
    in_flight: {in_flight}
"""
_SOCIAL = (
    """\
  - name: x-campus
    kind: x
    account: campus
    consumer_key: {env: BENCH_TOKEN}
    consumer_secret: {env: BENCH_TOKEN}
    access_token: {env: BENCH_TOKEN}
    access_token_secret: {env: BENCH_TOKEN}
""",
    """\
  - name: facebook-campus
    kind: facebook
    page: "1000001"
    access_token: {env: BENCH_TOKEN}
""",
)
_MAIL = """\
  - name: mail
    kind: email.smtp
    host: 127.0.0.1
    port: {port}
    tls: none
    from: alerts@example.edu
    rate_per_s: 100000
    in_flight: {connections}
    batch: {batch}
"""


def phone(number: int) -> str:
    """Return the n-th number, spread over area and exchange codes that exist."""
    return f"+1{_AREAS[number % 12]}{200 + number // 12 // 10_000 % 700}{number // 12 % 10_000:04d}"


def people(folder: Path, count: int, *, mail: bool = False) -> Path:
    """Write a list of people with a phone, or with phone, mailbox and what else an export has."""
    path = folder / f"people-{count}-{mail}.csv"
    if not path.exists():
        with path.open("w", encoding="utf-8") as file:
            file.write("id,name,phone,email,building,language\n" if mail else "phone\n")
            for n in range(count):
                more = f"{n},Person {n},{phone(n)},person{n}@example.edu,Building {n % 90},en\n"
                file.write(more if mail else f"{phone(n)}\n")
    return path


def sms(name: str, url: str, *, rate: float = 1e6, in_flight: int = 50) -> str:
    where = f"    base_url: {url}\n" if url else ""
    return _SMS.format(name=name, where=where, rate=rate, in_flight=in_flight)


def social() -> list[str]:
    """A public account and a page, for a run against the sandbox."""
    return list(_SOCIAL)


def mailing(port: int, *, connections: int, batch: int) -> str:
    return _MAIL.format(port=port, connections=connections, batch=batch)


def campus(folder: Path, list_path: Path, channels: Sequence[str]) -> Path:
    """Write channels.yaml with these channels; of an earlier run nothing stays but what it has checked."""
    state = folder / "state"
    for path in state.glob("*"):
        if path.is_dir() and path.name != "audiences":
            shutil.rmtree(path)
        elif not path.is_dir() and not path.name.startswith("checked-"):
            path.unlink()
    names = ", ".join(channel.split("name: ")[1].split("\n")[0] for channel in channels)
    head = _HEAD.format(state=state, templates=TEMPLATES, people=list_path, names=names)
    path = folder / "channels.yaml"
    path.write_text(head + "".join(channels), encoding="utf-8")
    return path
