"""One alert by text and by mail to the same people, beside two ways of doing it without this program."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from benchmarks.campus import mailing, sms
from benchmarks.lab import Cost, Lab, ratio
from benchmarks.table import Line
from benchmarks.texts import send

_PEOPLE = 10_000
_FEW = 20
_CONNECTIONS = 10
_ROUNDS = 2  #: the peers take half a minute each
_SLOW = ("apprise", "sdk-threads")


def both(lab: Lab) -> Iterator[Line]:
    """10,000 texts and 10,000 mails, each mail of one person: whole processes, no latency, no encryption.

    A quick run gives the peers a tenth, since they take a minute; what a person costs does not depend on it.
    """
    some, times = (_PEOPLE // 10, 1) if lab.quick else (_PEOPLE, _ROUNDS)
    with lab.stand_in("stub") as stub, lab.stand_in("relay") as relay:
        channels = [sms("sms-main", stub.url), mailing(relay.port, connections=_CONNECTIONS, batch=1)]

        def ours(count: int) -> Cost:
            return send(lab, channels, count, mail=True)

        def peer(name: str, count: int) -> Cost:
            url = f"{stub.url}+{relay.port}"
            return lab.cost("-m", "benchmarks.peers", f"{name}-both", url, str(count))

        for count in (_PEOPLE, _FEW):  # checks the lists, which is measured by itself
            ours(count)
        stub.ask("reset")
        few, *rounds = ours(_FEW), *(ours(_PEOPLE) for _ in range(times))
        _all_arrived(stub.ask("counts")["total"], _FEW + _PEOPLE * times)
        each = [(cost.cpu_s - few.cpu_s) / (_PEOPLE - _FEW) * 1e6 for cost in rounds]
        wall, cpu = median(cost.wall_s for cost in rounds), median(cost.cpu_s for cost in rounds)
        what = f"{_PEOPLE:,} texts and {_PEOPLE:,} mails, Enter to the last outcome on disk"
        yield Line(what=what, target="", measured=f"{wall:.1f} s, {cpu:.1f} s of CPU", met=None)
        for name in _SLOW:
            least, *runs = peer(name, _FEW), *(peer(name, some) for _ in range(times))
            theirs = [(cost.cpu_s - least.cpu_s) / (some - _FEW) * 1e6 for cost in runs]
            cost = f"{median(theirs):,.0f} µs against {median(each):,.0f} µs"
            rate = some / median(run.wall_s for run in runs)
            yield Line(
                what=f"the same people by {name}: CPU a person beside ours, start-up taken off both",
                target="",
                measured=f"{ratio(theirs, each):.1f}x ({cost}; "
                f"{rate:,.0f} people a second against {_PEOPLE / wall:,.0f}, start-up included)",
                met=None,
            )


def _all_arrived(seen: float, wanted: int) -> None:
    if seen != wanted:
        raise RuntimeError(f"{seen:.0f} requests for {wanted} deliveries")
