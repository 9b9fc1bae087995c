"""The one place where concrete parts meet: configuration, channels, ledger, engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from alerting.archive import Archive
from alerting.clock import Clock
from alerting.config.kept import load_kept
from alerting.config.kept_templates import KeptTemplates
from alerting.errors import ConfigProblem, NotAllowed, Problem, UsageProblem
from alerting.telemetry import LazyLog, Log

# The rooms below are read when they are needed: `alert status` needs neither lanes nor templates.
if TYPE_CHECKING:
    from alerting.archive import Reader
    from alerting.audience.roster import Roster
    from alerting.audit.acts import Act
    from alerting.audit.keeper import Keeper
    from alerting.broadcast.lane import Rules
    from alerting.broadcast.plan import Plan
    from alerting.channels.base import Channel, Surroundings
    from alerting.config import Config
    from alerting.ledger.postgres.place import Place
    from alerting.ledger.rows import Actor
    from alerting.ledger.writer import GroupWriter
    from alerting.service.house import House, Wired
    from alerting.service.planning import Request

#: How long a sender on PostgreSQL may be silent before another host takes its batches over, in seconds.
_SHARED_LEASE_S: Final = 6.0


class App(Archive):
    """A configured program. Building one reads channels.yaml and nothing else.

    ``place`` is where a sandbox listens, None for the providers' own hosts. With a sandbox the
    ledger lies in a directory of its own, so a rehearsal never touches the real record.
    ``readers`` holds the open reading connections; programs of one process share it.
    """

    def __init__(
        self,
        config_path: Path,
        *,
        clock: Clock,
        environ: Mapping[str, str],
        state: Path | None = None,
        place: Callable[[Path], tuple[str, tuple[str, int]]] | None = None,
        log: Log | None = None,
        credentials: bool = True,
        live: bool | None = True,
        without: tuple[str, ...] = (),
        local: bool = False,
        readers: list[Reader] | None = None,
    ) -> None:
        self._path, self._environ, self._place_of = config_path, environ, place
        self.credentials, self._live, self._without = credentials, live, without
        self.token = environ.get("ALERT_TOKEN", "")
        self.sandbox = place is not None
        told = state or environ.get("ALERT_STATE")
        self._told = Path(told) if told else None
        self.config: Config = self._load()
        base, self._local = self._told or self.config.state, local
        folder = "-".join(["local"] * local + ["sandbox"] * self.sandbox)
        super().__init__(
            base=base,
            state=base / folder if folder else base,
            clock=clock,
            shared=self._shared(),
            readers=readers,
        )
        self.log: Log = log or LazyLog(str(self.state / "engine.log"))
        self._place: tuple[str, tuple[str, int]] | None = None
        self._house: House | None = None

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment this program was started in."""
        return self._environ

    def whole(self) -> App:
        """Return this program with its credentials, or raise ConfigProblem: a view must not send."""
        if self.credentials:
            return self
        return App(
            self._path,
            clock=self.clock,
            environ=self._environ,
            state=self.base,
            place=self._place_of,
            live=self._live,
            without=self._without,
            local=self._local,
            readers=self._readers,
        )

    def _shared(self) -> Place | None:
        """Return the PostgreSQL the ledger is on, None for a file of the state directory.

        A rehearsal has tables of its own there, and a file where the address is not at hand.
        """
        if self.config.ledger is None and self._local:
            fix = "leave --local out"
            raise UsageProblem(Problem(where="--local", what="the record is on this host already", fix=fix))
        if self.config.ledger is None or self._local:
            return None
        from alerting.config.address import address_of
        from alerting.ledger.postgres.place import SCHEMA, Place

        try:
            address = address_of(self.config.ledger, self._environ, self._path.absolute().parent)
        except ConfigProblem:
            if self.sandbox:
                return None
            raise
        return Place(address=address, schema=f"{SCHEMA}_sandbox" if self.sandbox else SCHEMA)

    def _load(self, without: tuple[str, ...] | None = None) -> Config:
        invented = self.sandbox or not self.credentials
        left_out = self._without if without is None else without
        return self._checked(sandbox=invented, live=self._live, without=left_out)

    def _checked(self, *, sandbox: bool, live: bool | None, without: tuple[str, ...] = ()) -> Config:
        environ, state = self._environ, self._told
        return load_kept(
            self._path, environ=environ, state=state, sandbox=sandbox, live=live, without=without
        )

    def reload(self, without: tuple[str, ...] = ()) -> None:
        """Read channels.yaml again; lanes at work keep the channels they have.

        ``without`` names what an order does without: a channel this program left out for its own order
        is wanted again by one that does not leave it out.

        Raises:
            ConfigProblem: it cannot be used, or the credentials of such a channel are not here.
        """
        left_out = tuple(name for name in self._without if name in without)
        config = self._load(left_out)
        if config.digest != self.config.digest or left_out != self._without:
            self.config, self._house, self._without = config, None, left_out

    # -- the house --------------------------------------------------------------------------------

    def house(self) -> House:
        """Return the campus with its channels built; nothing is connected yet."""
        if self._house is None:
            campus, config = self.config.campus, self.config
            from alerting.rendering.store import TemplateStore
            from alerting.service.house import House

            self._house = House(
                campus=campus.name,
                source=campus.source,
                zone=ZoneInfo(campus.time_zone),
                link=campus.link,
                channels={wired.name: wired for wired in self._wire()},
                templates=TemplateStore(config.templates, kept=KeptTemplates(self.base)),
                audiences={name: partial(self.roster, name) for name in config.audiences},
                default_channels=config.defaults.channels,
                default_audience=config.defaults.audience,
                sender=config.publish.sender,
            )
        return self._house

    def _wire(self, only: str = "") -> list[Wired]:
        from alerting.channels.registry import Registry
        from alerting.service.house import Wired

        around, registry = self._surroundings(), Registry()
        return [
            Wired(
                name=settings.name,
                kind=settings.kind,
                channel=registry.build(settings, around),
                fallback=settings.fallback,
                mode=settings.mode,
            )
            for settings in self.config.channels
            if settings.enabled and only in ("", settings.name)
        ]

    def _surroundings(self) -> Surroundings:
        from alerting.channels.base import Surroundings

        base_url, smtp = self.place() if self.sandbox else ("", None)
        return Surroundings(
            clock=self.clock,
            campus=self.config.campus.name,
            base_url=base_url,
            smtp=smtp,
            callback_url=self.callback_url,
        )

    @property
    def callback_url(self) -> str:
        """Our address as providers know it; in a sandbox, which calls this machine only, the local one."""
        reach = self.config.callbacks
        if reach is None:
            return ""
        return reach.local_url if self.sandbox else reach.public_url

    def place(self) -> tuple[str, tuple[str, int]]:
        """Return where the sandbox listens, starting it when it does not run."""
        if self._place is None:
            assert self._place_of is not None
            self.ready_state()
            self._place = self._place_of(self.state)
        return self._place

    def roster(self, name: str) -> Roster:
        """Return an audience of the configuration, checked and compiled.

        Raises:
            AudienceProblem: its list cannot be read.
        """
        from alerting.audience.later import LaterCsv
        from alerting.audience.roster import roster_of

        settings = self.config.audiences[name]
        region = settings.region or self.config.campus.region
        source = LaterCsv(settings.csv, region=region, groups=settings.groups)
        salt = f"{region}|{','.join(sorted(settings.groups))}"
        self.ready_state()
        directory = self.state / "audiences"
        return roster_of(source, name=name, list_path=settings.csv, salt=salt, directory=directory)

    def plan(self, request: Request, *, as_of: datetime) -> Plan:
        """Return what would be sent; see ``make_plan`` for what it refuses. Any thread may ask."""
        from alerting.authority.grounds import weighed
        from alerting.config.operators import load_operators
        from alerting.drills.force import beside_drill
        from alerting.service.incident import past_for
        from alerting.service.planning import make_plan
        from alerting.service.stopped import without_stopped

        ledger = self.own_reader()
        try:
            past = past_for(self.house(), ledger, request)
            plan = make_plan(self.house(), request, as_of=as_of, past=past)
            plan = without_stopped(plan, self.house(), ledger)
            plan = weighed(plan, ledger, load_operators(self.config))
            return beside_drill(plan, ledger, at=as_of) if plan.subject.live else plan
        finally:
            if ledger is not None:
                ledger.close()

    # -- the engine's parts -----------------------------------------------------------------------

    def channel(self, name: str) -> Channel:
        """Return a channel by name, built anew: a lane closes its own when it ends.

        One that is not configured any more refuses everything.

        Raises:
            NotAllowed: this program was started to look, without credentials.
        """
        from alerting.channels.absent import AbsentChannel

        if not self.credentials:
            raise NotAllowed("this command has no credentials to send with")
        wired = self._wire(only=name)
        return wired[0].channel if wired else AbsentChannel(name, self._why_not(name))

    def _why_not(self, name: str) -> str:
        return f"{name} is {self.config.off[name]}" if name in self.config.off else ""

    def carries(self, name: str) -> bool:
        """Whether a channel of this name is configured here, and may be used."""
        return any(known.name == name for known in self.config.channels)

    def refusing(self, name: str, why: str) -> Channel:
        """Return what stands in for a channel whose adapter fails again and again."""
        from alerting.channels.absent import AbsentChannel

        return AbsentChannel(name, why)

    def rules(self, channel: str) -> Rules:
        """Return how a channel's lane behaves."""
        from alerting.broadcast import lane, retry

        told = self.config.retry
        return lane.Rules(
            policy=retry.Policy(attempts=told.attempts),
            lease=_SHARED_LEASE_S if self.shared else lane.Rules().lease,
            shared=self.shared is not None,
            fallback_after=told.fallback_after_s,
            mode=next((known.mode for known in self.config.channels if known.name == channel), "both"),
        )

    def flush_log(self) -> None:
        """Write the events kept so far, and from now on each as it comes."""
        if isinstance(self.log, LazyLog):
            self.log.flush()

    # -- the audit --------------------------------------------------------------------------------

    def keeper(self) -> Keeper:
        """Return who seals this record. A rehearsal's checkpoints stay in its own directory."""
        from alerting.audit.checkpoint import origin_of
        from alerting.audit.keeper import Keeper

        here, second = self.state / "checkpoints", self.config.checkpoints
        return Keeper(
            state=self.state,
            opened=self.copy,
            admit=self.admit(),
            origin=origin_of(self.config.campus.name) + ("-sandbox" if self.sandbox else ""),
            places=(here, second) if second and not self.sandbox else (here,),
        )

    def record(self, *acts: Act, actor: Actor) -> tuple[int, str]:
        """Write acts into the log, through whoever owns it; return the number and hash of the last."""
        from alerting.audit.acts import record

        return record(acts, self, actor=actor)

    def afterwards(self, writer: GroupWriter, *, keys: bool = True) -> None:
        """Do what follows an alert: seal and sign what has come to rest, write the feed.

        Without its ``keys`` nothing is sealed unless they are there. Called by the process that owns the
        ledger, in a thread of its own; it never raises.
        """
        from alerting.audit.afterwards import afterwards

        afterwards(self, writer, keys=keys)
