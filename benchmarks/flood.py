"""60,000 signed callbacks in a minute against ``alert serve``, while texts go out.

One alert is accepted first; then its receipts, three a text, are posted at a thousand a second from a
process of its own, over kept connections, while a second alert goes out at its account's rate.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hmac
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from hashlib import sha1
from pathlib import Path
from typing import Self
from urllib.parse import urlencode

from benchmarks.campus import campus, people, sms
from benchmarks.lab import Lab
from benchmarks.table import Line, at_least, at_most

_RATE, _WORDS, _CONNECTIONS = 1_000, ("queued", "sent", "delivered"), 100
#: The second alert's rate: what a short code may send.
_TEXTS_PER_S = 100
_WITHIN_S = 300.0
_TOKEN = "t" * 32
_ACCOUNT = "AC" + "0" * 32


def flood(lab: Lab) -> Iterator[Line]:
    """Post every receipt of one alert while another is sent; nothing is lost, and neither waits."""
    count = 2_000 if lab.quick else 20_000
    told = _flooded(lab, count)
    calls = count * len(_WORDS)
    what = f"{calls:,} signed callbacks at {_RATE:,}/s while texts go out"
    yield at_least(f"{what}: acknowledged at the first try", told["acknowledged"] / calls, 1.0)
    yield at_most(f"{what}: time over calls / rate", told["took_s"] / (calls / _RATE), 1.05)
    note = f"median {told['half_ms']:.0f} ms, slowest {told['slowest_ms']:.0f} ms"
    yield at_most(f"{what}: 99 % answered within", told["most_ms"], 1_000, unit=" ms", note=note)
    yield at_least(f"{what}: texts that ended as delivered", told["delivered"] / count, 1.0)
    note = f"{told['texts']:,.0f} texts, {told['texts'] / _TEXTS_PER_S:.0f} s at their rate"
    yield at_most(f"{what}: time of the other alert over N / rate", told["slower"], 1.05, note=note)

    busy = f"{told['cpu_s']:.1f} s in all, start-up and the other alert included"
    measured = f"{told['cpu_s'] / calls * 1e6:.0f} µs a callback ({busy})"
    yield Line(what=f"{what}: CPU of alert serve", target="", measured=measured, met=None)


def _flooded(lab: Lab, count: int) -> dict[str, float]:
    port = _free_port()
    with lab.stand_in("stub") as stub:
        channel = sms("sms-main", stub.url, rate=1e6)
        config = campus(lab.folder, people(lab.folder, count), [channel])
        first = _sent(config)
        # What serves is configured anew: callbacks come in, and texts leave at an account's usual rate.
        seconds = count * len(_WORDS) / _RATE
        later = int(seconds * _TEXTS_PER_S)
        config = _serving(config, port, sms("sms-main", stub.url, rate=_TEXTS_PER_S), lab, later)
        with _served(config, port) as serve:
            stub.ask("reset")
            _alert(config, "send", "fire", "-v", "place=North Hall", "--confirm", "North Hall", "--no-wait")
            told = _posted(lab, config, first, port)
            seen = _awaited(stub, later)
    found = json.loads(_alert(config, "status", first).splitlines()[-1])
    told["delivered"] = float(found["channels"][0]["delivered"])
    told["cpu_s"] = serve.cpu_s
    told["texts"], told["slower"] = float(later), seen / (later / _TEXTS_PER_S)
    return told


def _sent(config: Path) -> str:
    words = ("send", "gas-leak", "-v", "place=Baker Hall", "--confirm", "Baker Hall")
    return str(json.loads(_alert(config, *words).splitlines()[-1])["alert"])


def _serving(config: Path, port: int, channel: str, lab: Lab, count: int) -> Path:
    text = config.read_text(encoding="utf-8")
    head, _, _ = text.partition("channels:\n")
    reach = f"callbacks: {{public_url: 'http://127.0.0.1:{port}', listen: '127.0.0.1:{port}'}}\n"
    head = head.replace(str(people(lab.folder, _planned(text))), str(people(lab.folder, count)))
    config.write_text(f"{head}{reach}channels:\n{channel}", encoding="utf-8")
    return config


def _planned(text: str) -> int:
    return int(text.partition("people-")[2].partition("-")[0])


def _environ() -> dict[str, str]:
    return {**os.environ, "BENCH_TOKEN": _TOKEN, "PYTHONPATH": str(Path(__file__).parents[1])}


def _alert(config: Path, *words: str) -> str:
    """Run one command to its end and return what it told."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.command", "--config", str(config), *words, "--json"],
        env=_environ(),
        capture_output=True,
        text=True,
        timeout=_WITHIN_S,
        check=False,
    )
    if not done.stdout.strip():
        raise RuntimeError(done.stderr[-2000:])
    return done.stdout


class _served:  # noqa: N801 - used as a block
    """``alert serve`` for as long as the block runs."""

    def __init__(self, config: Path, port: int) -> None:
        self._config, self._port, self.cpu_s = config, port, 0.0

    def __enter__(self) -> Self:
        words = ["--config", str(self._config), "serve"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.command", *words], env=_environ(), stdout=subprocess.DEVNULL
        )
        until = time.monotonic() + 20
        while True:
            with socket.socket() as door:
                if not door.connect_ex(("127.0.0.1", self._port)):
                    return self
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("alert serve does not listen")
            time.sleep(0.05)

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        self.cpu_s = usage.ru_utime + usage.ru_stime


def _posted(lab: Lab, config: Path, alert: str, port: int) -> dict[str, float]:
    out = lab.folder / "flood.json"
    words = ["--config", str(config), "--alert", alert, "--port", str(port), "--out", str(out)]
    subprocess.run([sys.executable, "-m", "benchmarks.flood", *words], env=_environ(), check=True)
    return dict(json.loads(out.read_text(encoding="utf-8")))


def _awaited(stub: object, count: int) -> float:
    """Return the seconds the other alert took, once the stand-in has counted all of it."""
    until = time.monotonic() + _WITHIN_S
    while (told := stub.ask("counts"))["total"] < count:  # type: ignore[attr-defined]
        if time.monotonic() > until:
            raise RuntimeError(f"{told['total']:.0f} of {count} texts")
        time.sleep(0.2)
    return float(told["last_at"] - told["first_at"])


def _free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


# -- the process that posts -------------------------------------------------------------------------


def main() -> None:
    """Sign every receipt of an alert beforehand, then post them at the rate."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flood")
    for name in ("config", "alert", "out"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    calls = list(_calls(Path(options.config), options.alert, options.port))
    told = asyncio.run(_post(calls, options.port))
    Path(options.out).write_text(json.dumps(told), encoding="utf-8")


def _calls(config: Path, alert: str, port: int) -> Iterator[bytes]:
    from alerting.app import App
    from alerting.clock import SystemClock
    from alerting.digest import delivery_key

    ledger = App(config, clock=SystemClock(), environ=os.environ, credentials=False).reader()
    assert ledger is not None
    rows = list(ledger.deliveries(alert))
    for word in _WORDS:
        for row in rows:
            path = f"/twilio/status?d={delivery_key(alert, row.channel, row.address)}.{row.id}"
            fields = {"AccountSid": _ACCOUNT, "MessageSid": row.provider_id, "MessageStatus": word}
            yield _signed(port, path, {**fields, "To": row.address[6:]})


def _signed(port: int, path: str, fields: dict[str, str]) -> bytes:
    whole = f"http://127.0.0.1:{port}{path}" + "".join(name + fields[name] for name in sorted(fields))
    signature = base64.b64encode(hmac.new(_TOKEN.encode(), whole.encode(), sha1).digest()).decode()
    body = urlencode(fields)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"X-Twilio-Signature: {signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()


async def _post(calls: list[bytes], port: int) -> dict[str, float]:
    waiting, took, statuses = deque(enumerate(calls)), [], Counter[str]()
    began = time.monotonic()

    async def caller() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while waiting:
            number, raw = waiting.popleft()
            await asyncio.sleep(max(0.0, began + number / _RATE - time.monotonic()))
            at = time.monotonic()
            writer.write(raw)
            head = await reader.readuntil(b"\r\n\r\n")
            if length := head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]:
                await reader.readexactly(int(length))
            took.append(time.monotonic() - at)
            statuses[head[9:12].decode()] += 1
        writer.close()

    await asyncio.gather(*(caller() for _ in range(_CONNECTIONS)))
    ordered = sorted(took)
    return {
        "took_s": time.monotonic() - began,
        "acknowledged": float(statuses["204"]),
        "half_ms": ordered[len(ordered) // 2] * 1000,
        "most_ms": ordered[int(len(ordered) * 0.99)] * 1000,
        "slowest_ms": ordered[-1] * 1000,
    }


if __name__ == "__main__":
    main()
