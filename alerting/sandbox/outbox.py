"""The outbox: server-rendered pages on which a person reads what would have been published.

Every word on them is untrusted. Jinja escapes all of it, a mail's HTML is shown in a frame that may
do nothing, and the policy lets the page load nothing: no script, no image but inline ones, no font.
Styles are allowed inline, since a mail without its style attributes is not what its reader sees.
"""

from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from alerting.sandbox import cards
from alerting.sandbox.exchange import Reply
from alerting.sandbox.world import World

POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = (
    ("content-type", "text/html; charset=utf-8"),
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
)
REFRESH_S: Final = 10
#: Items on the first page of each kind, and on a page of their own.
OVERVIEW: Final = {"posts": 6, "texts": 8, "mails": 4}
PAGE: Final = {"posts": 20, "texts": 30, "mails": 12}
#: Items of each kind on the page that is saved to disk.
SAVED: Final = 200
LONGEST_SEARCH: Final = 200


class Outbox:
    """The pages at `/` and `/outbox.html`."""

    def __init__(self, world: World) -> None:
        self._world = world

    def page(self, path: str, query: dict[str, str]) -> Reply | None:
        """A page, or None if the path is not one of the outbox's."""
        if path == "/":
            return self._live(query)
        if path == "/outbox.html":
            return self._render(self._saved())
        return None

    def _live(self, query: dict[str, str]) -> Reply:
        view = query.get("view", "all") if query.get("view") in PAGE else "all"
        wanted = query.get("q", "").strip()[:LONGEST_SEARCH]
        number = max(1, int(query["page"][:6])) if query.get("page", "").isdecimal() else 1
        shown, more = self._items(view, wanted.casefold(), number)
        paused = query.get("live") == "0"

        def href(**changes: Any) -> str:
            kept = {"view": view, "q": wanted, "page": number, "live": "0" if paused else ""} | changes
            plain = {"view": "all", "page": 1}
            return "/?" + urlencode({name: v for name, v in kept.items() if v and v != plain.get(name)})

        steady = paused or bool(wanted) or number > 1
        return self._render(
            {
                **self._common(),
                **shown,
                "view": view,
                "wanted": wanted,
                "page": number,
                "more": more,
                "href": href,
                "saved": False,
                "paused": paused,
                "refresh_s": 0 if steady else REFRESH_S,
            }
        )

    def _saved(self) -> dict[str, Any]:
        shown, _ = self._cut(dict.fromkeys(PAGE, SAVED), "", 1)
        return {
            **self._common(),
            **shown,
            "view": "all",
            "wanted": "",
            "page": 1,
            "more": dict.fromkeys(PAGE, False),
            "href": None,
            "saved": SAVED,
            "paused": True,
            "refresh_s": 0,
        }

    def _items(self, view: str, wanted: str, number: int) -> tuple[dict[str, Any], dict[str, bool]]:
        sizes = OVERVIEW if view == "all" else {view: PAGE[view]}
        return self._cut(sizes, wanted, 1 if view == "all" else number)

    def _cut(self, sizes: dict[str, int], wanted: str, number: int) -> tuple[dict[str, Any], dict[str, bool]]:
        """One page of each kind, and whether there is more of it."""
        sources: dict[str, Iterator[Any]] = {
            "posts": cards.threads(self._world, wanted),
            "texts": cards.phones(self._world, wanted),
            "mails": cards.letters(self._world, wanted),
        }
        shown: dict[str, Any] = dict.fromkeys(PAGE)
        more = dict.fromkeys(PAGE, False)
        for kind, size in sizes.items():
            found = list(islice(sources[kind], (number - 1) * size, number * size + 1))
            shown[kind], more[kind] = found[:size], len(found) > size
        return shown, more

    def _common(self) -> dict[str, Any]:
        counts = self._world.counts
        return {
            "counts": counts,
            "phones": len(self._world.phones),
            "mailboxes": len(self._world.mailboxes),
            "requests": len(self._world.requests),
            "now": self._world.instant(),
            "policy": POLICY,
        }

    def _render(self, values: dict[str, Any]) -> Reply:
        return Reply(200, self._template.render(values).encode("utf-8", "replace"), HEADERS)

    @cached_property
    def _template(self) -> Any:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined  # 50 ms, for people

        environment = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "pages"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        return environment.get_template("outbox.html")
