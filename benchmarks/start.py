"""Cold starts: from Enter to the first request, and the commands people type while they wait."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

from benchmarks.campus import campus, people, sms
from benchmarks.lab import Lab, StandIn, ratio
from benchmarks.table import Line, at_most

_X = """\
  - name: x-campus
    kind: x
    account: nsu_alert
    base_url: {url}
    consumer_key: {{env: BENCH_TOKEN}}
    consumer_secret: {{env: BENCH_TOKEN}}
    access_token: {{env: BENCH_TOKEN}}
    access_token_secret: {{env: BENCH_TOKEN}}
"""
_COMMAND = ("-m", "benchmarks.command")
_TIMES = 5
_HEARD_S = 20.0


def start(lab: Lab) -> Iterator[Line]:
    """CPU over that of an interpreter that does nothing."""
    rounds = 3 if lab.quick else 9
    nothing = [lab.cost("-c", "pass").cpu_s for _ in range(rounds)]
    yield from _first_requests(lab, median(nothing))
    with lab.stand_in("stub") as stub:
        config = campus(lab.folder, people(lab.folder, 20), [sms("sms-main", stub.url)])
        lab.cost("-m", "benchmarks.ours", str(config))
        for words in (("--help",), ("--config", str(config), "status")):
            ours, bare = lab.pairs_of(
                lambda words=words: lab.cost(*_COMMAND, *words).cpu_s,
                lambda: lab.cost("-c", "pass").cpu_s,
                times=rounds,
            )
            note = f"{median(ours) * 1e3:.0f} ms against {median(bare) * 1e3:.0f} ms"
            yield at_most(f"`alert {words[-1]}`: CPU over `python -c pass`", ratio(ours, bare), 8, note=note)


def _first_requests(lab: Lab, bare_s: float) -> Iterator[Line]:
    """A cold `alert send` to 20,000 people whose list was checked before: CPU until each provider hears."""
    folder = lab.folder / f"cold-{time.monotonic_ns()}"
    folder.mkdir()
    list_path = people(lab.folder, 20_000)
    watch = ("--watch", str(folder))
    spent: dict[str, list[float]] = {"post": [], "texts": []}
    ahead: list[float] = []
    with lab.stand_in("stub", *watch) as texts, lab.stand_in("stub", *watch) as posts:
        channels = [sms("sms-main", texts.url, rate=100), _X.format(url=posts.url)]
        config = campus(folder, list_path, channels)
        words = (*_COMMAND, "--config", str(config), "preview", "gas-leak", "-v", "place=Baker Hall")
        lab.cost(*words)  # checks the list
        for _ in range(1 if lab.quick else _TIMES):
            for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm"):
                (folder / "state" / name).unlink(missing_ok=True)
            for stub in (texts, posts):
                stub.ask("reset")
            words = (*_COMMAND, "--config", str(config), "send", "gas-leak", "-v", "place=Baker Hall")
            lab.cost(*words, "--confirm", "baker hall", "--json", "--no-wait", codes=(8,))
            told = {"texts": _heard(texts), "post": _heard(posts)}
            lab.end(str(config))
            for name, counts in told.items():
                spent[name].append(counts["first_cpu_s"])
            ahead.append(told["texts"]["first_at"] - told["post"]["first_at"])
    for name, figures in spent.items():
        note = f"{median(figures) * 1e3:.0f} ms against {bare_s * 1e3:.0f} ms"
        what = f"Enter to the first request ({name}), 20,000 people, cold: CPU over `python -c pass`"
        yield at_most(what, median(figures) / bare_s, 16, note=note)
    measured = f"{median(ahead) * 1e3:+.0f} ms"
    what = "how long before the first text the post leaves"
    yield Line(what=what, target="before", measured=measured, met=median(ahead) > 0)


def _heard(stub: StandIn) -> dict[str, float]:
    """Wait until a stand-in was asked something."""
    until = time.monotonic() + _HEARD_S
    while not (told := stub.ask("counts"))["total"]:
        if time.monotonic() > until:
            raise RuntimeError("a provider heard nothing")
        time.sleep(0.05)
    return told
