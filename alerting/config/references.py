"""Names in the file that must lead somewhere: defaults and fallbacks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from alerting.config.lines import Document
from alerting.config.model import suggestion
from alerting.errors import Problem


def problems(document: Document) -> Iterator[Problem]:
    """Yield what leads nowhere, or in circles, in a file that may have other problems besides."""
    entries = _entries(document)
    names = [name for name, _, _ in entries]
    first: dict[str, int] = {}
    for name, index, _ in entries:
        line = document.line(("channels", index))
        if name in first:
            fix = "give it another name"
            yield document.problem(
                ("channels", index, "name"), name, f"line {first[name]} has this name too", fix
            )
        first.setdefault(name, line)
    yield from _fallbacks(document, entries)
    yield from _defaults(document, names)
    yield from _on_call(document, names)


def _entries(document: Document) -> list[tuple[str, int, dict[str, Any]]]:
    """Return (name, place in the list, fields) of every channel that has a name."""
    channels = document.data.get("channels")
    entries = enumerate(channels if isinstance(channels, list) else [])
    return [
        (entry["name"], index, entry)
        for index, entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("name"), str)
    ]


def _fallbacks(document: Document, entries: list[tuple[str, int, dict[str, Any]]]) -> Iterator[Problem]:
    leads = {name: _word(entry.get("fallback")) for name, _, entry in entries}
    told: set[str] = set()
    for name, index, entry in entries:
        to = _word(entry.get("fallback"))
        where, label = ("channels", index, "fallback"), f"{name}.fallback"
        if to and to not in leads:
            others = [other for other in leads if other != name]
            yield document.problem(where, label, f'no channel "{to[:40]}"', suggestion(to, others))
            continue
        way = _way(name, leads)
        if to and way[-1] == name and name not in told:
            told.update(way)
            yield document.problem(where, label, f"goes in a circle: {' to '.join(way)}", "end it somewhere")


def _way(name: str, leads: dict[str, str]) -> list[str]:
    """Return the channels a fallback leads through, up to the first that comes again."""
    way = [name]
    while (name := leads.get(name, "")) and name not in way:
        way.append(name)
    return [*way, name] if name else way


def _defaults(document: Document, names: list[str]) -> Iterator[Problem]:
    defaults = document.data.get("defaults")
    if not isinstance(defaults, dict):
        return
    chosen = defaults.get("channels")
    for index, name in enumerate(chosen if isinstance(chosen, list) else []):
        if isinstance(name, str) and name not in names:
            where = ("defaults", "channels", index)
            yield document.problem(
                where, "defaults.channels", f'no channel "{name[:40]}"', suggestion(name, names)
            )
    audiences = document.data.get("audiences")
    known = list(audiences) if isinstance(audiences, dict) else []
    audience = _word(defaults.get("audience"))
    if audience and audience not in known:
        what = f'no audience "{audience[:40]}"'
        yield document.problem(
            ("defaults", "audience"), "defaults.audience", what, suggestion(audience, known)
        )


def _on_call(document: Document, names: list[str]) -> Iterator[Problem]:
    told = document.data.get("on_call")
    chosen = told.get("channels") if isinstance(told, dict) else None
    for index, name in enumerate(chosen if isinstance(chosen, list) else []):
        if isinstance(name, str) and name not in names:
            where = ("on_call", "channels", index)
            yield document.problem(
                where, "on_call.channels", f'no channel "{name[:40]}"', suggestion(name, names)
            )


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""
