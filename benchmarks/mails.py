"""Mail: how many a connection carries, and what a person's own copy costs."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from benchmarks.lab import Lab, ratio
from benchmarks.table import Line, at_least, at_most


def mail(lab: Lab) -> Iterator[Line]:
    """One connection to a relay whose round trip takes 20 ms; and the bytes alone."""
    with lab.stand_in("relay", "--latency", "20") as relay:

        def rate(mode: str, count: int) -> float:
            return lab.told("-m", "benchmarks.mailing", str(relay.port), str(count), mode)

        single, batch, peer = lab.pairs_of(
            lambda: rate("single", 80), lambda: rate("batch", 2_000), lambda: rate("aiosmtplib", 25)
        )
    note = f"{median(single):.0f}/s against {median(peer):.0f}/s"
    yield at_least(
        "mail, one person each: a connection's rate over aiosmtplib's", ratio(single, peer), 3, note=note
    )
    note = f"{median(batch):,.0f} people/s"
    yield at_least(
        "mail, 50 people each: a connection's rate over aiosmtplib's", ratio(batch, peer), 15, note=note
    )
    splice, message = lab.pairs_of(
        lambda: lab.told("-m", "benchmarks.mailing", "-", "20000", "splice"),
        lambda: lab.told("-m", "benchmarks.mailing", "-", "200", "message"),
    )
    note = f"{median(splice):.1f} µs against {median(message):,.0f} µs"
    yield at_most(
        "a person's copy: CPU over building an EmailMessage", ratio(splice, message), 1 / 200, note=note
    )
