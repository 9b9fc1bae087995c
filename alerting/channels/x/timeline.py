"""Recognising our own words on a timeline, after X has rewritten them."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from alerting.channels.web_answer import at, entries_at, text_at

_SHORTENED: Final = re.compile(r"https?://t\.co/\w+")
_SCHEME: Final = re.compile(r"https?://", re.IGNORECASE)
_TRAILING_SLASH: Final = re.compile(r"/(?=\s|$)")
_ANY_LINK: Final = "\0"


def says(post: Mapping[str, object], text: str) -> bool:
    """Say whether a post carries exactly this text.

    X turns every link into one of its own (the old one is in ``entities``), writes ``&``, ``<`` and
    ``>`` as HTML entities, and tidies blanks. A shortened link without its entity matches any link.
    """
    wanted = _plain(text)
    raw = text_at(post, "text")
    return any(_pattern(form, post).fullmatch(wanted) for form in (html.unescape(raw), raw))


def _pattern(said: str, post: Mapping[str, object]) -> re.Pattern[str]:
    links = {
        text_at(link, "url"): text_at(link, "expanded_url")
        for link in entries_at(at(post, "entities"), "urls")
    }
    restored = _SHORTENED.sub(lambda found: links.get(found[0]) or _ANY_LINK, said)
    return re.compile(r"\S+".join(map(re.escape, _plain(restored).split(_ANY_LINK))))


def _plain(text: str) -> str:
    """Return a text without what X may change: composed letters, blanks, a link's scheme and end."""
    bare = _SCHEME.sub("", unicodedata.normalize("NFC", text))
    return " ".join(_TRAILING_SLASH.sub("", bare).split())
