"""Reading an email's HTML. Apart from ``markup``, since only an alert that is mailed needs a parser."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

_ALLOWED: Final = {
    "a": ("href", "title"), "abbr": ("title",), "b": (), "blockquote": (), "br": (), "div": (), "em": (),
    "h1": (), "h2": (), "h3": (), "hr": (), "i": (), "li": (), "ol": ("start",), "p": (), "span": (),
    "strong": (), "table": ("role",), "tbody": (), "td": ("colspan", "rowspan"),
    "th": ("scope", "colspan", "rowspan"), "thead": (), "tr": (), "ul": (),
}  # fmt: skip
#: Every element may say its language and direction, for screen readers.
_EVERYWHERE: Final = ("lang", "dir")
_VOID: Final = frozenset({"br", "hr"})
_SCHEMES: Final = ("https://", "http://", "mailto:", "tel:")
#: What stands around an element in plain text: before it, and after it.
_BREAKS: Final = {
    "blockquote": ("\n\n", "\n\n"), "br": ("\n", ""), "div": ("\n", "\n"), "h1": ("\n\n", "\n\n"),
    "h2": ("\n\n", "\n\n"), "h3": ("\n\n", "\n\n"), "hr": ("\n", ""), "li": ("\n- ", ""),
    "ol": ("", "\n\n"), "p": ("\n\n", "\n\n"), "table": ("\n\n", "\n\n"), "td": (" ", ""), "th": (" ", ""),
    "tr": ("\n", ""), "ul": ("", "\n\n"),
}  # fmt: skip


class _Page(HTMLParser):
    """Reads a page once: what is wrong with it, and its words."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.wrong: list[str] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self._link = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _ALLOWED:
            self.wrong.append(f"<{tag}> may not be used")
            return
        for name, value in attrs:
            if name not in _ALLOWED[tag] and name not in _EVERYWHERE:
                self.wrong.append(f'{name}="..." may not be used in <{tag}>')
            elif name == "href":
                self._read_link(value or "")
        if tag not in _VOID:
            self._open.append(tag)
        self.words.append(_BREAKS.get(tag, ("", ""))[0])

    def _read_link(self, target: str) -> None:
        if target.lower().startswith(_SCHEMES):
            self._link = target
        else:
            self.wrong.append("a link that does not begin with https://, mailto: or tel:")

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID or tag not in _ALLOWED:
            return
        if not self._open or self._open.pop() != tag:
            self.wrong.append(f"</{tag}> closes something else")
        if tag == "a" and self._link:
            self._show_target()
        self.words.append(_BREAKS.get(tag, ("", ""))[1])

    def _show_target(self) -> None:
        shown = self._link.removeprefix("https://").removeprefix("mailto:").removeprefix("tel:")
        if shown not in "".join(self.words[-3:]):
            self.words.append(f" ({self._link})")
        self._link = ""

    def handle_data(self, data: str) -> None:
        self.words.append(re.sub(r"\s+", " ", data))

    def handle_comment(self, data: str) -> None:
        del data
        self.wrong.append("a comment may not be used")

    def handle_decl(self, decl: str) -> None:
        del decl
        self.wrong.append("<!...> may not be used")

    def unknown_decl(self, data: str) -> None:
        del data
        self.wrong.append("<![...]> may not be used")

    def handle_pi(self, data: str) -> None:
        del data
        self.wrong.append("<?...> may not be used")

    def finish(self) -> None:
        """Note what is still open at the end: it would swallow what follows."""
        if "<" in self.rawdata:
            self.wrong.append("a < that begins no tag; write &lt;")
        self.close()
        self.wrong += [f"<{tag}> is never closed" for tag in self._open]


def read(html: str) -> tuple[list[str], str]:
    """Return what is wrong with a page, and its words with the breaks between them."""
    page = _Page()
    try:
        page.feed(html)
        page.finish()
    except AssertionError:  # of the parser, for a marked section it does not know
        page.wrong.append("<![...]> may not be used")
    return page.wrong, "".join(page.words)
