"""Text messages: what a delivery costs beside the peers, near the provider's limit, and at a pace."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

from benchmarks.campus import campus, people, sms
from benchmarks.lab import Cost, Lab, StandIn, ratio
from benchmarks.table import Line, at_least, at_most

_FEW = 20  # deliveries of the run that shows what start-up costs


def send(lab: Lab, channels: Sequence[str], count: int, *, mail: bool = False) -> Cost:
    """Send one alert to so many people, as a whole process."""
    config = campus(home(lab, count), people(lab.folder, count, mail=mail), channels)
    return lab.cost("-m", "benchmarks.ours", str(config))


def home(lab: Lab, count: int) -> Path:
    """Return a directory for runs of a size, where the list and channels.yaml stay as they were checked."""
    folder = lab.folder / f"campus-{count}"
    folder.mkdir(exist_ok=True)
    return folder


def peer(lab: Lab, name: str, stub: StandIn, count: int) -> Cost:
    return lab.cost("-m", "benchmarks.peers", name, stub.url, str(count))


def plain(lab: Lab) -> Iterator[Line]:
    """Zero latency, no encryption."""
    with lab.stand_in("stub") as stub:
        yield from _beside(
            lab,
            stub,
            "SMS, plain HTTP",
            aiohttp=1 / 4,
            slow=(("apprise", 20, 1_000), ("sdk-threads", 20, 1_000)),
        )


def tls(lab: Lab) -> Iterator[Line]:
    """Zero latency over TLS, as in life."""
    cert, key = lab.certificate()
    with lab.stand_in("stub", "--tls", str(cert), str(key)) as stub:
        slow = (("apprise", 200, 100), ("sdk-threads", 20, 1_000), ("sdk-loop", 12, 1_000))
        yield from _beside(lab, stub, "SMS, TLS", aiohttp=1 / 3, slow=slow)


def _beside(
    lab: Lab, stub: StandIn, what: str, *, aiohttp: float, slow: Sequence[tuple[str, float, int]]
) -> Iterator[Line]:
    count = 10_000
    channels = [sms("sms-main", stub.url)]
    for size in (
        count,
        _FEW,
    ):  # checks lists and channels.yaml, which is done when they change and measured by itself
        send(lab, channels, size)
    own = (lambda: send(lab, channels, count).cpu_s, lambda: send(lab, channels, _FEW).cpu_s)
    ours, few, theirs, theirs_few = lab.pairs_of(*own, *_peers(lab, "aiohttp", stub, count))
    note = f"{median(ours) / count * 1e6:.0f} µs against {median(theirs) / count * 1e6:.0f} µs"
    yield at_most(
        f"{what}: {count:,} texts as a whole process, CPU beside plain aiohttp without ledger",
        ratio(ours, theirs),
        aiohttp,
        note=note,
    )
    each, each_theirs = _a_text(ours, few, count), _a_text(theirs, theirs_few, count)
    note = f"{median(each):.0f} µs against {median(each_theirs):.0f} µs"
    yield at_most(
        f"{what}: CPU a text beside plain aiohttp without ledger, start-up taken off both",
        ratio(each, each_theirs),
        aiohttp,
        note=note,
    )
    for name, least, many in slow:
        some = max(50, many // 4) if lab.quick else many
        ours, few, theirs, theirs_few = lab.pairs_of(*own, *_peers(lab, name, stub, some))
        each, each_theirs = _a_text(ours, few, count), _a_text(theirs, theirs_few, some)
        yield at_least(
            f"{what}: CPU of {name} beside ours, start-up taken off both",
            ratio(each_theirs, each),
            least,
            note=f"{median(each_theirs):,.0f} µs against {median(each):.0f} µs",
        )


def _peers(lab: Lab, name: str, stub: StandIn, count: int) -> Sequence[Callable[[], float]]:
    """Return a peer's whole run, and one that shows what its start-up costs."""
    return lambda: peer(lab, name, stub, count).cpu_s, lambda: peer(lab, name, stub, _FEW).cpu_s


def _a_text(whole: Sequence[float], few: Sequence[float], count: int) -> list[float]:
    """Return the µs of one text in each round, start-up taken off."""
    return [(a - b) / (count - _FEW) * 1e6 for a, b in zip(whole, few, strict=True)]


def near_the_limit(lab: Lab) -> Iterator[Line]:
    """A provider that answers after 100 ms: how near to N x latency / in flight."""
    with lab.stand_in("stub", "--latency", "100") as stub:
        for in_flight, most in ((100, 1.05), (500, 1.10), (1_000, 1.12)):
            count = in_flight * 20
            channels = [sms("sms-main", stub.url, in_flight=in_flight)]
            spans = [_span(lab, stub, channels, count) for _ in range(lab.pairs)]
            ideal = count * 0.1 / in_flight
            note = f"{median(spans):.2f} s for {count:,}"
            what = f"100 ms latency, {in_flight:,} in flight: first request to last answer, over the ideal"
            yield at_most(what, median(spans) / ideal, most, note=note)


def _span(lab: Lab, stub: StandIn, channels: Sequence[str], count: int) -> float:
    """Return the seconds from the first request to the last answer (its latency included)."""
    stub.ask("reset")
    send(lab, channels, count)
    told = stub.ask("counts")
    if told["total"] != count:
        raise RuntimeError(f"{told['total']:.0f} requests for {count} deliveries")
    return told["last_at"] - told["first_at"] + 0.1


def paced(lab: Lab) -> Iterator[Line]:
    """A provider's rate: never above it in any second, and not much below it."""
    with lab.stand_in("stub", "--arrivals") as stub:
        for rate in (100, 1_000):
            count, channels = rate * (3 if lab.quick else 4), [sms("sms-main", stub.url, rate=rate)]
            busiest, slowness = 0.0, []
            for _ in range(1 if lab.quick else 3):
                span = _span(lab, stub, channels, count) - 0.1
                busiest = max(busiest, stub.ask("counts")["busiest"])
                slowness.append(span / (count / rate))
            yield at_most(f"paced at {rate:,}/s: requests in the busiest second", busiest, rate, unit="")
            yield at_most(f"paced at {rate:,}/s: time over N / rate", median(slowness), 1.02)


def trouble(lab: Lab) -> Iterator[Line]:
    """A channel that hangs, storms or is down beside three healthy ones, 20 ms latency each."""
    count = 1_000
    with lab.stand_in("stub", "--latency", "20") as well:
        healthy = [sms(f"sms-{n}", well.url, in_flight=20) for n in range(3)]
        alone = [_healthy(lab, well, healthy, count) for _ in range(lab.pairs)]
        for mood, words in (("hang", "hangs"), ("storm", "answers 429"), ("down", "is down")):
            with lab.stand_in("stub", "--mood", "hang" if mood == "down" else mood) as ill:
                url = "http://127.0.0.1:9" if mood == "down" else ill.url
                beside = [
                    _healthy(lab, well, [*healthy, sms("sms-ill", url)], count, cut=True)
                    for _ in range(lab.pairs)
                ]
            note = f"{median(beside):.2f} s against {median(alone):.2f} s"
            yield at_most(
                f"three healthy channels beside one that {words}: their time over their time alone",
                median(beside) / median(alone),
                1.05,
                note=note,
            )


def _healthy(lab: Lab, well: StandIn, channels: Sequence[str], count: int, *, cut: bool = False) -> float:
    well.ask("reset")
    config = campus(lab.folder, people(lab.folder, count), channels)
    if cut:
        # The ill channel would be tried until the alert expires; the healthy ones are what is measured.
        lab.cost("-m", "benchmarks.until", well.url, str(3 * count), str(config))
    else:
        lab.cost("-m", "benchmarks.ours", str(config))
    told = well.ask("counts")
    return told["last_at"] - told["first_at"]
