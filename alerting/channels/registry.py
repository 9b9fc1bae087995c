"""Which kinds of channels there are. Concrete names meet here, as strings.

Nothing is imported until a configured channel asks for it. Others add a kind by an entry point of the
group ``alerting.channels``, named after the kind, whose value is the dotted name of a ``KindSpec``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

from alerting.errors import ConfigProblem, MissingExtra, Problem
from alerting.named import NamedTuple

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from alerting.channels.base import Channel, Surroundings
    from alerting.channels.settings import ChannelSettings

    Builder = Callable[[ChannelSettings, Surroundings], Channel]

ENTRY_POINTS: Final = "alerting.channels"


class KindSpec(NamedTuple):
    """One kind: where its settings class and its builder are, each ``module:name``."""

    settings: str
    build: str


#: Kinds that are part of the house.
BUILT_IN: Final = {
    "x": KindSpec(settings="alerting.channels.x.config:XSettings", build="alerting.channels.x.channel:build"),
    "facebook": KindSpec(
        settings="alerting.channels.facebook.config:FacebookSettings",
        build="alerting.channels.facebook.channel:build",
    ),
    "sms.twilio": KindSpec(
        settings="alerting.channels.sms.config:TwilioConfig", build="alerting.channels.sms.channel:build"
    ),
    "email.smtp": KindSpec(
        settings="alerting.channels.email.config:SmtpConfig", build="alerting.channels.email.channel:build"
    ),
}


class Registry:
    """The kinds of the house, and those of others; ``entry_points`` is asked only for a kind unknown here."""

    def __init__(self, entry_points: Callable[[], Iterable[EntryPoint]] | None = None) -> None:
        self._entry_points = entry_points or _installed

    def kinds(self) -> list[str]:
        """Return the names of all kinds, those of the house first."""
        return [*BUILT_IN, *sorted({point.name for point in self._entry_points()} - BUILT_IN.keys())]

    def settings_class(self, kind: str) -> type[ChannelSettings]:
        """Return the pydantic model that reads a channel of this kind.

        Raises:
            ConfigProblem: no such kind, or one that is not what it should be.
            MissingExtra: a library it needs is not installed.
        """
        # Imported here: the registry itself stays free of pydantic.
        from alerting.channels.settings import ChannelSettings

        found = self._load(kind, self._spec(kind).settings)
        if not (isinstance(found, type) and issubclass(found, ChannelSettings)):
            raise _broken(kind, "its settings do not inherit ChannelSettings")
        return found

    def build(self, settings: ChannelSettings, surroundings: Surroundings) -> Channel:
        """Make the adapter of one configured channel.

        Raises:
            ConfigProblem: no such kind, or one that is not what it should be.
            MissingExtra: a library it needs is not installed.
        """
        builder = self._load(settings.kind, self._spec(settings.kind).build)
        if not callable(builder):
            raise _broken(settings.kind, "its build cannot be called")
        return cast("Builder", builder)(settings, surroundings)

    def _spec(self, kind: str) -> KindSpec:
        if kind in BUILT_IN:
            return BUILT_IN[kind]
        for point in self._entry_points():
            if point.name == kind:
                spec = self._load(kind, point.value)
                if not isinstance(spec, KindSpec):
                    raise _broken(kind, f"{point.value} is not a KindSpec")
                return spec
        raise self._unknown(kind)

    def _load(self, kind: str, dotted: str) -> Any:
        module, _, name = dotted.partition(":")
        try:
            return getattr(import_module(module), name)
        except ModuleNotFoundError as missing:
            what = f'kind "{kind}" needs {missing.name}, which is not installed'
            raise MissingExtra(Problem(where="", what=what, fix=f"install {missing.name}")) from missing
        except (AttributeError, ImportError) as wrong:
            raise _broken(kind, f"{dotted} is not there") from wrong

    def _unknown(self, kind: str) -> ConfigProblem:
        from difflib import get_close_matches

        kinds = self.kinds()
        near = get_close_matches(kind, kinds, n=1, cutoff=0.5)
        fix = f"write {near[0]}" if near else f"write one of {', '.join(kinds)}"
        return ConfigProblem(Problem(where="", what=f'no kind "{kind[:40]}"', fix=fix))


def _installed() -> Iterable[EntryPoint]:
    # Reads the metadata of every installed distribution: only where a kind is not of the house.
    from importlib.metadata import entry_points

    return entry_points(group=ENTRY_POINTS)


def _broken(kind: str, why: str) -> ConfigProblem:
    what = f'kind "{kind}" cannot be used: {why}'
    return ConfigProblem(Problem(where="", what=what, fix="tell whoever maintains it"))
