"""What remembering costs: the ledger, long lists, memory, and size."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from benchmarks.campus import campus, people, sms
from benchmarks.lab import Lab, ratio
from benchmarks.table import Line, at_least, at_most
from benchmarks.texts import home, send

#: Rounds of what takes a second each and differs by little.
_ROUNDS = 9


def ledger(lab: Lab) -> Iterator[Line]:
    """The same lane with the durable ledger and with none; grouped commits and single ones."""
    count = 5_000 if lab.quick else 20_000
    with lab.stand_in("stub") as stub:
        kept, none = lab.pairs_of(
            lambda: lab.told("-m", "benchmarks.bare", stub.url, str(count), "sqlite"),
            lambda: lab.told("-m", "benchmarks.bare", stub.url, str(count), "none"),
            times=None if lab.quick else _ROUNDS,
        )
    note = f"{median(kept):.0f} µs against {median(none):.0f} µs"
    yield at_most("durable ledger: CPU over the same lane without one", ratio(kept, none), 1.5, note=note)
    together, singly = lab.pairs_of(
        lambda: lab.told("-m", "benchmarks.bare", "-", "5000", "together"),
        lambda: lab.told("-m", "benchmarks.bare", "-", "1000", "singly"),
    )
    note = f"{median(singly):.0f} µs against {median(together):.1f} µs"
    yield at_least("commit for each outcome over grouped commits, CPU", ratio(singly, together), 6, note=note)


def lists(lab: Lab) -> Iterator[Line]:
    """A long list: checked, de-duplicated, two deliveries planned for each person."""
    count = 50_000 if lab.quick else 1_000_000
    path = people(lab.folder, count, mail=True)
    bare, ours, unread = [], [], []
    for _ in range(3 if lab.quick else 5):
        began = time.process_time()
        with path.open(newline="", encoding="utf-8") as file:
            for _row in csv.reader(file):
                pass
        bare.append(time.process_time() - began)
        ours.append(lab.told("-m", "benchmarks.planning", str(path)))
        unread.append(lab.told("-m", "benchmarks.unread", str(path)))
    note = f"{median(ours):.1f} s against {median(bare):.2f} s"
    what = (
        f"{count:,} rows checked, de-duplicated, {2 * count:,} deliveries durable: CPU over a bare csv.reader"
    )
    yield at_most(what, ratio(ours, bare), 8, note=note)
    told = f"{ratio(unread, bare):.1f}x ({median(unread):.1f} s)"
    what = "the same where reading and checking cost nothing: all rows at hand (`benchmarks.unread`)"
    yield Line(what=what, target="", measured=told, met=None)


def memory(lab: Lab) -> Iterator[Line]:
    """Peak memory at three sizes: of a sender whose list was checked before, and of checking one."""
    # What grows is told above what fills SQLite's page cache, which is a bound and not growth.
    sizes = (10_000, 100_000, 200_000 if lab.quick else 400_000)
    with lab.stand_in("stub") as stub:
        channels = [sms("sms-main", stub.url)]
        checked = [[_checked(lab, channels, size)] for size in sizes]
        sent = lab.pairs_of(
            *(lambda size=size: send(lab, channels, size).rss_mib for size in sizes),
            times=1 if lab.quick else 3,
        )
    each = ", ".join(f"{median(peaks):.0f} MiB at {size:,}" for size, peaks in zip(sizes, sent, strict=True))
    yield Line(what="peak memory of a sender, start-up included", target="", measured=each, met=None)
    what = "peak memory of a sender for each further 100,000 recipients"
    yield _further(what, sizes[1:], sent[1:])
    yield _further("peak memory of checking a list, for each further 100,000 rows", sizes[1:], checked[1:])


def _checked(lab: Lab, channels: Sequence[str], size: int) -> float:
    config = campus(home(lab, size), people(lab.folder, size), channels)
    return lab.cost("-m", "benchmarks.checked", str(config)).rss_mib


def _further(what: str, sizes: Sequence[int], peaks: Sequence[Sequence[float]]) -> Line:
    """Return what each further 100,000 take: the median of the pairs' differences."""
    small, large = sizes
    more = median(high - low for low, high in zip(*peaks, strict=True)) / ((large - small) / 100_000)
    note = f"{median(peaks[0]):.0f} MiB at {small:,}, {median(peaks[1]):.0f} MiB at {large:,}"
    return at_most(what, more, 1.0, unit=" MiB", note=note)


def growth(lab: Lab) -> Iterator[Line]:
    """Whether a large alert is as fast as a small one."""
    small, large = (5_000, 25_000) if lab.quick else (10_000, 500_000)
    with lab.stand_in("stub") as stub:
        channels = [sms("sms-main", stub.url)]
        rates = []
        for count in (small, large):
            stub.ask("reset")
            send(lab, channels, count)
            told = stub.ask("counts")
            rates.append(count / (told["last_at"] - told["first_at"]))
        note = f"{rates[0]:,.0f}/s and {rates[1]:,.0f}/s"
        what = f"deliveries a second at {large:,} over those at {small:,}"
        yield at_least(what, rates[1] / rates[0], 0.85, note=note)
        if lab.quick:
            return
        wall = send(lab, channels, 1_000_000).wall_s
        yield at_most("1,000,000 deliveries, Enter to the last outcome on disk", wall, 90, unit=" s")
        config = home(lab, 1_000_000) / "channels.yaml"
        # The first look checks channels.yaml, which is kept from then on.
        _, *looks = (_look(lab, config) for _ in range(4))
        yield at_most("`alert status` of it", median(looks), 0.3, unit=" s")


def _look(lab: Lab, config: Path) -> float:
    """Return the wall time of an ``alert status``, in seconds."""
    return lab.cost("-m", "benchmarks.command", "--config", str(config), "status").wall_s
