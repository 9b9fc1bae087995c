"""The channels of the file, each read by its own kind."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from alerting.channels.registry import Registry
from alerting.channels.settings import ChannelSettings, SecretResolver
from alerting.config.checked import checked
from alerting.config.lines import Document, Where
from alerting.config.secrets import NoSecrets
from alerting.errors import ConfigProblem, Problem

_NO: Final = frozenset({"false", "no", "off", "n", "f", "0"})  # what pydantic reads as false


@dataclass(slots=True, kw_only=True)
class Lanes:
    """Channels that may be used, in the order of the file; the others, with the reason; and warnings."""

    settings: list[ChannelSettings] = field(default_factory=list)
    off: dict[str, str] = field(default_factory=dict)
    warnings: list[Problem] = field(default_factory=list)


def read(
    document: Document,
    registry: Registry,
    secrets: SecretResolver,
    *,
    live: bool | None,
    without: Collection[str] = (),
) -> Lanes:
    """Read every channel; what is wrong is added to the document's problems.

    Channels that are off are checked too, but for their credentials.
    """
    lanes = Lanes()
    for index, entry in _entries(document):
        where: Where = ("channels", index)
        why = _why_off(entry, live=live, without=without)
        settings = _settings(entry, document, where, registry, NoSecrets() if why else secrets)
        if settings is not None and why:
            lanes.off[settings.name] = why
        elif settings is not None:
            lanes.settings.append(settings)
    for place, settings in enumerate(lanes.settings):
        if settings.fallback in lanes.off:
            lanes.settings[place] = settings.model_copy(update={"fallback": ""})
            lanes.warnings.append(_lost_fallback(document, settings, lanes.off[settings.fallback]))
    return lanes


def _entries(document: Document) -> Iterator[tuple[int, dict[str, Any]]]:
    channels = document.data.get("channels")
    for index, entry in enumerate(channels if isinstance(channels, list) else []):
        if isinstance(entry, dict):
            yield index, entry


def _why_off(entry: Mapping[str, Any], *, live: bool | None, without: Collection[str]) -> str:
    if entry.get("name") in without:
        return "left out (--without)"
    if str(entry.get("enabled", "true")).lower() in _NO:
        return "switched off (enabled: false)"
    other = {True: "drill", False: "live"}
    if live is not None and entry.get("mode") == other[live]:
        return f"not for {'real alerts' if live else 'exercises'} (mode: {other[live]})"
    return ""


def _settings(
    entry: dict[str, Any], document: Document, where: Where, registry: Registry, secrets: SecretResolver
) -> ChannelSettings | None:
    name, kind = entry.get("name"), entry.get("kind")
    label = name if isinstance(name, str) and name.isprintable() else f"channels[{int(where[-1]) + 1}]"
    if not isinstance(kind, str):
        problem = document.problem((*where, "kind"), f"{label}.kind", "is missing", "add it, like kind: x")
        document.problems.append(problem)
        return None
    try:
        model = registry.settings_class(kind)
    except ConfigProblem as wrong:
        for told in wrong.problems:
            document.problems.append(document.problem((*where, "kind"), f"{label}.kind", told.what, told.fix))
        return None
    return checked(model, entry, document, where=where, label=label[:40], context={"secrets": secrets})


def _lost_fallback(document: Document, settings: ChannelSettings, why: str) -> Problem:
    places = (index for index, entry in _entries(document) if entry.get("name") == settings.name)
    where: Where = ("channels", next(places), "fallback")
    return document.problem(where, f"{settings.name}.fallback", f"{settings.fallback} is {why}")
