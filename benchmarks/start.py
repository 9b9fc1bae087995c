"""Cold starts: from Enter to the first request, and the commands people type while they wait."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.campus import TEMPLATES, campus, people, sms
from benchmarks.lab import Cost, Lab, StandIn, ratio
from benchmarks.table import Line, at_most
from benchmarks.waiting import at_the_prompt, handed_over, serving

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
#: What an alert by text needs of others where its template was not kept, the SDK as its channel imports it;
#: looking for garbage no more often than the command line does, and leaving as a command does whose sender
#: goes on.
_TEXTS = (
    "import gc, os; gc.set_threshold(100_000);"
    " import tweepy, jinja2.sandbox, asyncio, sqlite3, twilio.rest.api.v2010.account; os._exit(0)"
)
_LEDGER = ("ledger.db", "ledger.db-wal", "ledger.db-shm")
_TIMES = 7
_HEARD_S = 20.0
_REST_S = 4.0


def start(lab: Lab) -> Iterator[Line]:
    """CPU over that of an interpreter that does nothing."""
    rounds = 3 if lab.quick else 9
    yield from _first_requests(lab)
    with lab.stand_in("stub") as stub:
        config = campus(lab.folder, people(lab.folder, 20), [sms("sms-main", stub.url)])
        lab.cost("-m", "benchmarks.ours", str(config))
        for words in (("--help",), ("--config", str(config), "status")):
            ours, bare = lab.pairs_of(
                lambda words=words: lab.cost(*_COMMAND, *words).cpu_s,
                lambda: nothing(lab),
                times=rounds,
            )
            what = f"`alert {words[-1]}`: CPU over `python -c pass`"
            yield at_most(what, ratio(ours, bare), 8, note=in_ms(ours, bare))


def _first_requests(lab: Lab) -> Iterator[Line]:
    """``alert send`` to 20,000 people whose list was checked before: CPU until each provider hears."""
    folder = lab.folder / f"cold-{time.monotonic_ns()}"
    folder.mkdir()
    list_path = people(lab.folder, 20_000)
    watch = ("--watch", str(folder))
    with lab.stand_in("stub", *watch) as texts, lab.stand_in("stub", *watch) as posts:
        channels = [sms("sms-main", texts.url, rate=100), _X.format(url=posts.url)]
        bench = _Bench(lab, campus(folder, list_path, channels), texts, posts)
        bench.run("preview")  # checks the list
        bench.begin_record()
        yield from bench.cold()
        yield from bench.prompted()
        yield from bench.served()


@dataclass(frozen=True, slots=True)
class _Bench:
    """A campus with one account on X and one for texts, and who plays their providers."""

    lab: Lab
    config: Path
    texts: StandIn
    posts: StandIn
    record: dict[str, bytes] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.config.parent

    @property
    def rounds(self) -> range:
        return range(1 if self.lab.quick else _TIMES)

    def words(self, verb: str, *more: str) -> tuple[str, ...]:
        named = ("--config", str(self.config))
        return (*_COMMAND, *named, verb, "gas-leak", "-v", "place=Baker Hall", *more)

    def run(self, verb: str, *more: str, code: int = 0) -> Cost:
        return self.lab.cost(*self.words(verb, *more), codes=(code,))

    def begin_record(self) -> None:
        """Have a ledger with an earlier alert in it, as a campus has whose channels were ever tried."""
        state = self.folder / "state"
        words = ("--config", str(self.config), "send", "gas-leak", "-v", "place=Kent Hall")
        self.lab.cost(*_COMMAND, *words, "--confirm", "kent hall", "--channels", "x-campus", codes=(0, 1))
        until = time.monotonic() + _HEARD_S
        while (state / "ledger.db-wal").exists():
            if time.monotonic() > until:
                raise RuntimeError("the sender of the first alert does not end")
            time.sleep(0.05)
        self.record["ledger.db"] = (state / "ledger.db").read_bytes()

    def fresh(self) -> None:
        for name in _LEDGER:
            (self.folder / "state" / name).unlink(missing_ok=True)
        for name, held in self.record.items():
            (self.folder / "state" / name).write_bytes(held)
        self.reset()

    def reset(self) -> None:
        for stub in (self.texts, self.posts):
            stub.ask("reset")

    def line(self, what: str, figures: list[float], bare: list[float], target: float) -> Line:
        times, note = ratio(figures, bare), in_ms(figures, bare)
        return at_most(f"{what}: CPU over `python -c pass`", times, target, note=note)

    def cold(self) -> Iterator[Line]:
        spent: dict[str, list[float]] = {"post": [], "texts": []}
        alone: dict[str, list[float]] = {"post": [], "texts": []}
        ahead: list[float] = []
        bare: list[float] = []
        for _ in self.rounds:
            bare.append(nothing(self.lab))
            alone["texts"].append(self.lab.cost("-c", _TEXTS).cpu_s)
            alone["post"].append(self._least())
            self.fresh()
            command = self.run("send", "--confirm", "baker hall", "--json", "--no-wait", code=8)
            told = {"texts": _heard(self.texts), "post": _heard(self.posts)}
            self.lab.end(str(self.config))
            for name, counts in told.items():
                spent[name].append(_in_all(command, counts))
            ahead.append(told["texts"]["first_at"] - told["post"]["first_at"])
        others = {
            "post": "the same post by forty lines that only render, write and post (`benchmarks.least`)",
            "texts": "the libraries of others for it (texts), Jinja2 among them, imported and nothing else",
        }
        for name, figures in spent.items():
            yield self.line(f"Enter to the first request ({name}), 20,000 people, cold", figures, bare, 16)
            measured = f"{ratio(alone[name], bare):.1f}x ({in_ms(alone[name], bare)})"
            yield Line(what=others[name], target="", measured=measured, met=None)
        measured = f"{median(ahead) * 1e3:+.0f} ms"
        what = "how long before the first text the post leaves"
        yield Line(what=what, target="before", measured=measured, met=median(ahead) > 0)

    def _least(self) -> float:
        """Return the CPU until X hears of a program that does nothing but that."""
        self.reset()
        ledger, told = self.folder / "least.db", self.folder / "least.json"
        for name in _LEDGER:
            ledger.with_name(name.replace("ledger", "least")).unlink(missing_ok=True)
        values = {"source": "NSU ALERT", "time": "3:05pm", "place": "Baker Hall"}
        settings = {
            "template": TEMPLATES / "gas-leak.md",
            "ledger": ledger,
            "people": people(self.lab.folder, 20_000),
        }
        paths = {name: str(path) for name, path in settings.items()}
        told.write_text(json.dumps({"values": values, "url": self.posts.url, **paths}))
        self.lab.cost("-m", "benchmarks.least", str(told), codes=(0, 1))
        return self.first("post")

    def prompted(self) -> Iterator[Line]:
        figures, bare = [], []
        for _ in self.rounds:
            self.fresh()
            bare.append(nothing(self.lab))
            figures.append(
                at_the_prompt(self.lab, self.words("send"), self.folder, lambda: self.first("post"))
            )
            self.lab.end(str(self.config))
        what = "the same from the Enter at the prompt, two seconds after the preview"
        yield self.line(what, figures, bare, 16)

    def served(self) -> Iterator[Line]:
        end = ("--no-wait", "--json", "--confirm")
        # Another place: the same alert twice within two minutes is one.
        words = (*_COMMAND, "send", "gas-leak", "-v", "place=Mary Hall", *end, "mary hall")
        figures, bare = [], []
        for _ in self.rounds:
            self.fresh()
            with serving(self.lab, self.config, self.folder):
                # A first post, so that the owner has imported what it needs, as one that runs for days has.
                self.run("send", *end, "baker hall", "--channels", "x-campus", code=8)
                self.first("post")
                time.sleep(_REST_S)
                self.reset()
                bare.append(nothing(self.lab))
                figures.append(handed_over(self.lab, words, self.config, lambda: self.first("post")))
        yield self.line("the same handed over to `alert serve`, both processes", figures, bare, 4)

    def first(self, name: str) -> float:
        return _heard(self.posts if name == "post" else self.texts)["first_cpu_s"]


def nothing(lab: Lab) -> float:
    """Return CPU of an interpreter that does nothing, now: the machine is at times half as fast again."""
    return lab.cost("-c", "pass").cpu_s


def in_ms(figures: list[float], bare: list[float]) -> str:
    return f"{median(figures) * 1e3:.0f} ms against {median(bare) * 1e3:.0f} ms"


def _in_all(command: Cost, counts: dict[str, float]) -> float:
    """Return the CPU until a provider heard, of the sender so far and of the command that made it.

    The command may have left by then, and nobody can ask what it took any more; so it is counted whole.
    """
    of_command = counts.get(f"first_cpu_of_{command.process}", 0.0)
    return counts["first_cpu_s"] - of_command + command.cpu_s


def _heard(stub: StandIn) -> dict[str, float]:
    """Wait until a stand-in was asked something."""
    until = time.monotonic() + _HEARD_S
    while not (told := stub.ask("counts"))["total"]:
        if time.monotonic() > until:
            raise RuntimeError("a provider heard nothing")
        time.sleep(0.05)
    return told
