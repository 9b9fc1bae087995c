"""``python -m benchmarks.simulation``: how long an alert to very many people takes, and what it needs.

Runs the real planner, lanes and retry logic over modelled providers, in virtual time. ``--check`` sends to
100,000 people for real, through the whole path to a stand-in on this machine, and prints how far the
prediction was off. A run with the same seed gives the same figures.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Final

from alerting.clock import SystemClock
from alerting.ledger.sqlite import SqliteLedger
from benchmarks.campus import sms
from benchmarks.lab import Lab
from benchmarks.simulation.provider import Manner, mailboxes, phones
from benchmarks.simulation.run import Account, Scene, Told, play
from benchmarks.texts import home, send

_PARTS: Final = {"50 %": 0.5, "95 %": 0.95, "100 %": 1.0}
_DEADLINE_S: Final = 10.0
#: The check: so many people, 1,000 a second, 200 calls open at a provider that answers after 100 ms.
_CHECKED: Final = (100_000, 1_000.0, 200)


def main() -> None:
    """Read the command line, simulate, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--people", type=int, default=10_000_000)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--sms-rate", type=float, default=3_000, help="segments a second of the account")
    parser.add_argument("--mail-rate", type=float, default=5_000, help="messages a second of the relay")
    parser.add_argument("--in-flight", type=int, default=1_000, help="calls open at each provider")
    parser.add_argument("--latency-ms", type=float, default=100, help="median answer of the providers")
    parser.add_argument("--cpu-us", type=float, default=0, help="CPU a delivery, as `make bench` measures it")
    parser.add_argument("--lose-worker-at", type=float, metavar="S", help="a worker dies then")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--check", action="store_true", help="compare with a real run of 100,000")
    given = parser.parse_args()
    if given.check:
        check()
        return
    manner = Manner(latency_s=given.latency_ms / 1000)
    scene = Scene(
        people=given.people,
        accounts=(
            Account(
                name="sms", capabilities=phones(given.sms_rate, given.in_flight, _DEADLINE_S), manner=manner
            ),
            Account(name="mail", capabilities=mailboxes(given.mail_rate, given.in_flight), manner=manner),
        ),
        workers=given.workers,
        seed=given.seed,
        lost_at=given.lose_worker_at,
    )
    report(scene, play(scene), cpu_us=given.cpu_us)


def report(scene: Scene, told: Told, *, cpu_us: float) -> None:
    """Print what came of a scene."""
    deliveries = told.book.planned_rows
    say(f"{scene.people:,} people, {deliveries:,} deliveries, {scene.workers} workers, seed {scene.seed}")
    for provider in told.providers:
        times = ", ".join(
            f"{name} {told.reached(provider.name, part):,.1f} s" for name, part in _PARTS.items()
        )
        say(f"{provider.name}: {times}; most in any second {max(provider.calls.values()):,}")
    ends = ", ".join(f"{count:,} {state}" for state, count in sorted(told.book.ended.items()))
    say(f"ended: {ends}; perhaps twice: {told.book.twice:,}")
    say(f"database: {told.busiest:,.0f} rows a second in full flow")
    if cpu_us:
        rate = deliveries / told.lasted_s
        say(f"CPU: {cpu_us * rate / 1e6:.2f} cores at {rate:,.0f} deliveries a second, {cpu_us:.0f} µs each")
    say(f"simulated in {told.cpu_s:,.0f} s of CPU")


def check() -> None:
    """Send to 100,000 for real, predict the same, and print both."""
    count, rate, in_flight = _CHECKED
    with tempfile.TemporaryDirectory() as name:
        lab = Lab(Path(name), pairs=1, quick=True)
        with lab.stand_in("stub", "--latency", "100") as stub:
            cost = send(lab, [sms("sms", stub.url, rate=rate, in_flight=in_flight)], count)
        real = times(home(lab, count) / "state" / "ledger.db")
    manner = Manner(latency_s=0.1, spread=0.0, refused=0.0, lost=0.0, busy=0.0)
    account = Account(name="sms", capabilities=phones(rate, in_flight, _DEADLINE_S), manner=manner)
    told = play(Scene(people=count, accounts=(account,)))
    say(f"{count:,} texts at {rate:,.0f}/s, {in_flight} open, 100 ms an answer")
    for part, real_s in real.items():
        predicted = told.reached("sms", _PARTS[part])
        off = predicted / real_s - 1
        say(f"{part}: predicted {predicted:.1f} s, really {real_s:.1f} s, off by {off:+.1%}")
    say(f"CPU of the real run: {cost.cpu_s / count * 1e6:.0f} µs a delivery")


def times(path: Path) -> dict[str, float]:
    """Return when 50, 95 and 100 % were accepted, in seconds since acceptance of the alert."""
    ledger = SqliteLedger.open(path, write=False, clock=SystemClock())
    try:
        [record] = ledger.alerts()
        seconds = ledger.progress(record.alert.id)["sms"]
        [tally] = ledger.tally(record.alert.id)
    finally:
        ledger.close()
    last = max(second for second, accepted in seconds if accepted)
    return {"50 %": tally.times["50"], "95 %": tally.times["95"], "100 %": last + 1.0}


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
