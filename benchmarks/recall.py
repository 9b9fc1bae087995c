"""A wrong alert to 20,000 phones, recalled when half of it is out.

The sandbox plays the providers: it queues each text for some seconds, takes back what it still queues, and
says afterwards who has which words. What counts is time, and that nobody keeps the wrong text uncorrected.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from alerting.sandbox.process import SandboxHandle, start
from benchmarks.campus import campus, people, sms, social
from benchmarks.lab import Lab
from benchmarks.table import Line, at_most

#: Texts a second the account may send, and seconds the provider keeps one before it leaves.
_RATE = 500
_QUEUED_S = 6.0
_WITHIN_S = 300.0
_WRONG, _RIGHT = "GAS LEAK", "IGNORE"


def recall(lab: Lab) -> Iterator[Line]:
    """From the decision to the first corrected post and to 95 %, and whom it leaves with the wrong word."""
    count = 2_000 if lab.quick else 20_000
    with start(seed=7, idle_exit_s=600) as sandbox:
        told, wrong, right = _recalled(lab.folder, sandbox, count)
    reached = len(wrong)
    ideal = reached / _RATE
    what = f"recall of {count:,} texts, half sent at {_RATE}/s"
    note = f"{told['taken_back']:,} of {told['asked']:,} asked about were taken back while queued"
    yield at_most(f"{what}: decision to first corrected post", told["first_post_s"], 30, unit=" s", note=note)
    note = f"{reached:,} people had the wrong text; {ideal:.1f} s at the account's rate"
    yield at_most(f"{what}: decision to 95 % corrected", told["most_s"], ideal + 10, unit=" s", note=note)
    uncorrected = len(wrong - right)
    yield at_most(f"{what}: people left with the wrong text alone", uncorrected, 0, unit="")
    early = len(right - wrong)
    note = f"{told['spared']:,} corrections were spared"
    what = f"{what}: corrected although the wrong text was taken back in time"
    yield Line(what=what, target="", measured=f"{early:,} ({note})", met=None)


def _recalled(folder: Path, sandbox: SandboxHandle, count: int) -> tuple[dict[str, Any], set[str], set[str]]:
    """Send, recall half way, and return what the command told and who ended up with which words."""
    channels = [*social(), sms("sms-main", "", rate=_RATE, in_flight=100)]
    config = campus(folder, people(folder, count), channels)
    state = folder / "state" / "sandbox"
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    place = {"pid": sandbox.pid, "http_url": sandbox.http_url}
    smtp = {"smtp_host": sandbox.smtp_host, "smtp_port": sandbox.smtp_port}
    (state / "sandbox.json").write_text(json.dumps({**place, **smtp}))
    switches = {"callbacks": False, "sent_after_s": _QUEUED_S, "delivered_after_s": _QUEUED_S * 2}
    _ask(sandbox, "/control/faults", {"switches": switches})
    opened = _alert(
        config, "send", "gas-leak", "-v", "place=Baker Hall", "--confirm", "Baker Hall", "--no-wait"
    )
    _await_half(sandbox, count)
    told = _alert(config, "recall", opened["alert"], "--confirm", "sent-in-error")["recalled"]
    return told, *_words(sandbox)


def _alert(config: Path, *words: str) -> dict[str, Any]:
    """Run one command to its end, and return the last thing it told."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.command", "--config", str(config), "--sandbox", *words, "--json"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=_WITHIN_S,
        check=False,
    )
    if not done.stdout.strip():
        raise RuntimeError(done.stderr[-2000:])
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _await_half(sandbox: SandboxHandle, count: int) -> None:
    until = time.monotonic() + _WITHIN_S
    while _ask(sandbox, "/state?section=counts")["texts"] < count / 2:
        if time.monotonic() > until:
            raise RuntimeError("texts do not leave")
        time.sleep(0.05)


def _words(sandbox: SandboxHandle) -> tuple[set[str], set[str]]:
    """Return who got the wrong words and was not spared them, and who got the right ones."""
    wrong, right, seen = set(), set(), 0
    while True:
        page = _ask(sandbox, f"/state?section=texts&limit=10000&offset={seen}")["items"]
        for text in page:
            if _RIGHT in text["body"]:
                right.add(text["to"])
            elif _WRONG in text["body"] and text["status"] != "canceled":
                wrong.add(text["to"])
        seen += len(page)
        if len(page) < 10_000:
            return wrong, right


def _ask(sandbox: SandboxHandle, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        sandbox.http_url + path, data=data, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return dict(json.load(answer))
