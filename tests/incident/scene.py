"""A campus without a network: one public page, one text channel, a list of people, a ledger and a clock."""

from datetime import timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from alerting.audience.csvfile import CsvAudience
from alerting.audience.roster import roster_of
from alerting.broadcast.plan import Plan
from alerting.channels.base import Capabilities
from alerting.clock import FrozenClock, micros
from alerting.ledger.rows import Actor
from alerting.ledger.sqlite import SqliteLedger
from alerting.model.audience import Address, AddressKind
from alerting.model.message import Shape, Unit
from alerting.rendering.store import TemplateStore
from alerting.service.house import House, Wired
from alerting.service.incident import follow_up, past_of, story
from alerting.service.opening import open_alert
from alerting.service.planning import Past, Request, make_plan

LEE, KIM = Actor(name="lee", origin="desk"), Actor(name="kim", origin="car 4")


class People:
    """A list of people on disk, as long as a test wants it."""

    def __init__(self, folder, count):
        self.folder, self.count = folder, count

    def roster(self):
        path = self.folder / "people.csv"
        rows = "".join(f"p{n},+1413200{n:04d}\n" for n in range(self.count))
        path.write_text(f"id,phone\n{rows}", encoding="utf-8")
        source = CsvAudience(path, region="US")
        return roster_of(source, name="everyone", list_path=path, salt="", directory=self.folder / "rosters")


def silent(name, kind, **can):
    class Silent:
        capabilities = Capabilities(**can)

    channel = Silent()
    channel.name = name
    return Wired(name=name, kind=kind, channel=channel)


class Campus:
    """A house with one public page and one text channel, a ledger and a clock."""

    def __init__(self, path, templates):
        self.clock = FrozenClock()
        self.people = People(path, 4)
        self.ledger = SqliteLedger.open(path / "ledger.db", clock=self.clock)
        page = silent(
            "page",
            "page",
            address_kind=AddressKind.FEED,
            shape=Shape(unit=Unit.CHARACTERS, limit=5000, slots=("post", "message")),
            rate_per_s=1.0,
            in_flight=1,
            deadline=timedelta(seconds=5),
            feeds=(Address(AddressKind.FEED, "page/nsu"),),
        )
        texts = silent(
            "texts",
            "texts",
            address_kind=AddressKind.PHONE,
            shape=Shape(unit=Unit.SEGMENTS, limit=2, slots=("sms", "message")),
            rate_per_s=100.0,
            in_flight=10,
            deadline=timedelta(seconds=5),
        )
        self.house = House(
            campus="North Shore University",
            source="NSU ALERT",
            zone=ZoneInfo("America/New_York"),
            link="alerts.example.edu",
            channels={"page": page, "texts": texts},
            templates=TemplateStore(templates),
            audiences=MappingProxyType({"everyone": self.people.roster}),
            default_channels=("page", "texts"),
            default_audience="everyone",
        )

    def send(
        self, template="gas-leak", *, actor=LEE, key="", channels=(), audience="", evidence="", **values
    ):
        words = values or {"place": "Baker Hall"}
        asked = {"channels": channels, "audience": audience, "evidence": evidence}
        request = Request(template=template, values=words, **asked)
        return self._open(request, Past(), actor, key)

    def follow(self, incident, verb, *, template="", joined=False, actor=LEE, key="", **values):
        told = story(self.ledger, incident)
        request = follow_up(self.house, told, verb, template=template, values=values, joined=joined)
        return self._open(request, past_of(self.ledger, told), actor, key)

    def _open(self, request, past, actor, key) -> str:
        now = self.clock.now()
        self.plan: Plan = make_plan(self.house, request, as_of=now, past=past)
        run = key or f"run-{now.timestamp()}-{request.template}-{actor.name}"
        with self.ledger.transaction():
            self.opened = open_alert(self.ledger, self.house, self.plan, actor=actor, run_key=run, at=now)
        self.clock.advance(timedelta(minutes=3))
        return self.opened.alert_id

    def addresses(self, alert, channel="texts", states=()):
        return [d.address for d in self.ledger.deliveries(alert, channel=channel, states=states)]

    def claimed(self, channel):
        """Take up a lane's first batch and commit its attempts: everything in it is just leaving."""
        with self.ledger.transaction():
            at = micros(self.clock.now())
            batch = self.ledger.lease(channel, owner="a", at=at, until=at + 1_000_000)
            self.ledger.claim(batch, [row.id for row in batch.rows], at=at)
        return batch

    def settle(self, alert, results):
        """Send one batch of an alert's texts and record what became of each."""
        with self.ledger.transaction():
            at = micros(self.clock.now())
            batch = self.ledger.lease("texts", owner="a", at=at, until=at + 1_000_000)
            assert batch.alert_id == alert
            self.ledger.claim(batch, [row.id for row in batch.rows], at=at)
            self.ledger.settle(batch, [how(row) for row, how in zip(batch.rows, results, strict=True)])
            self.ledger.release(batch, not_before=at)


UPDATE = {"news": "Crews on site", "action": "STAY AWAY from it"}
