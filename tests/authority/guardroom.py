"""A campus with operators and a ledger, where orders come in as the owner of the ledger takes them."""

from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from zoneinfo import ZoneInfo

from alerting.audience.csvfile import CsvAudience
from alerting.audience.roster import roster_of
from alerting.authority import approvals
from alerting.authority.admission import open_admitted
from alerting.authority.grounds import weighed
from alerting.authority.people import Operators, Person, Role, Rules
from alerting.channels.base import Capabilities
from alerting.clock import FrozenClock, micros
from alerting.ledger.rows import Actor
from alerting.ledger.sqlite import SqliteLedger
from alerting.model.audience import AddressKind
from alerting.model.message import Shape, Unit
from alerting.rendering.store import TemplateStore
from alerting.service.house import House, Wired
from alerting.service.order import Order
from alerting.service.planning import Past, Request, make_plan

TEXT = """---
title: {title}
class: {kind}
variables:
  place: {{type: place, max_length: 30}}
  words: {{max_length: {room}, required: no}}
---
{{{{ source }}}} {{{{ time }}}}: {title} at {{{{ place }}}}. {{{{ words }}}}
"""
ROLES = {"kim": {Role.SENDER, Role.APPROVER}, "lee": {Role.APPROVER}, "vic": {Role.VIEWER}}


class Guardroom:
    """``kim`` sends and approves, ``lee`` approves. ``template`` writes one, ``order`` gives one."""

    def __init__(self, path, *, people=3, **rules):
        self.path, self.clock = path, FrozenClock()
        self.ledger = SqliteLedger.open(path / "ledger.db", clock=self.clock)
        crew = {
            key: Person(key=key, name=key.title(), roles=frozenset(roles)) for key, roles in ROLES.items()
        }
        self.operators = Operators(path=Path("operators.yaml"), people=crew, rules=Rules(**rules))
        (path / "templates").mkdir()
        rows = "".join(f"p{n},+1413200{n:04d}\n" for n in range(people))
        (path / "people.csv").write_text(f"id,phone\n{rows}")
        self.house = House(
            campus="North Shore University",
            source="NSU",
            zone=ZoneInfo("America/New_York"),
            link="alerts.example.edu",
            channels={"texts": self._texts()},
            templates=TemplateStore(path / "templates"),
            audiences=MappingProxyType({"everyone": self._roster}),
            default_channels=("texts",),
            default_audience="everyone",
        )
        self.template("fire", kind="immediate", review=True)
        self.template("closed", kind="standard", review=True)

    def _texts(self):
        class Silent:
            name = "texts"
            capabilities = Capabilities(
                address_kind=AddressKind.PHONE,
                shape=Shape(unit=Unit.SEGMENTS, limit=2, slots=("sms", "message")),
                rate_per_s=100.0,
                in_flight=10,
                deadline=timedelta(seconds=5),
            )

        return Wired(name="texts", kind="texts", channel=Silent())

    def _roster(self):
        path = self.path / "people.csv"
        source = CsvAudience(path, region="US")
        return roster_of(source, name="everyone", list_path=path, salt="", directory=self.path / "rosters")

    # -- templates

    def template(self, name, *, kind, title="Fire", room=60, review=False):
        (self.path / "templates" / f"{name}.md").write_text(TEXT.format(title=title, kind=kind, room=room))
        if review:
            self.review(name)

    def review(self, name, by="lee"):
        from alerting.authority.reviews import REVIEWED, body_of, subject_of

        digest = self.house.templates.find(name).digest
        with self.ledger.transaction():
            self.ledger.record_act(
                REVIEWED, subject_of(name), body_of(digest), actor=Actor(name=by), at=micros(self.clock.now())
            )

    # -- orders

    def plan(self, template, place="Hall", as_of=None):
        request = Request(template=template, values={"place": place})
        now = as_of or self.clock.now()
        plan = make_plan(self.house, request, as_of=now, past=Past())
        return request, weighed(plan, self.ledger, self.operators)

    def order(self, template, *, by="kim", place="Hall", run_key="", as_of=None, **more):
        request, plan = self.plan(template, place, as_of)
        order = Order(
            request=request,
            as_of=plan.as_of,
            digest=plan.digest,
            actor=Actor(name=by, origin="desk"),
            run_key=run_key or f"{template}-{place}-{self.clock.now().timestamp()}-{by}",
            by=(by,) if self.operators else (),
        )
        return order._replace(**more), plan

    def give(self, order, plan):
        """Open an order as the owner of the ledger does, all or nothing."""
        with self.ledger.transaction():
            return open_admitted(
                self.ledger, self.house, plan, order, operators=self.operators, at=self.clock.now()
            )

    def send(self, template, **more):
        return self.give(*self.order(template, **more))

    def ask(self, template, *, by="kim", request_more=(), **more):
        """Ask for approval; return the request."""
        order, plan = self.order(template, by=by, **more)
        told = {
            **order.to_json(),
            "verb": "ask",
            "request": {**order.to_json()["request"], **dict(request_more)},
            "by": (by,),
            "title": plan.subject.title,
            "place": plan.subject.confirm_word,
            "why": list(plan.second),
            "approval_s": self.operators.rules.approval.total_seconds(),
        }
        return approvals.find(self.ledger, self.tell(told)["approval"])

    def tell(self, told):
        with self.ledger.transaction():
            return approvals.answer(self.ledger, told, at=self.clock.now())

    def decide(self, verb, asked, *, by="lee", reason="not now"):
        return self.tell(
            {"verb": verb, "approval": asked.id, "reason": reason, "actor": by, "origin": "", "by": (by,)}
        )

    def approve(self, asked, *, by="lee", **more):
        order, plan = self.order(
            asked.request["template"],
            by=by,
            place=asked.request["values"]["place"],
            as_of=asked.as_of,
            run_key=asked.run_key,
            approval=asked.id,
            **more,
        )
        return self.give(order, plan)

    def asked(self, asked):
        return approvals.find(self.ledger, asked.id)

    def acts(self, subject, action):
        import json

        return [
            (row.actor, json.loads(row.body)) for row in self.ledger.audit(subject) if row.action == action
        ]

    def alerts(self):
        return list(self.ledger.alerts())
