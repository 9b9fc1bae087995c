"""The HTML an email may hold, and its plain text.

Authors are trusted with words, not with markup that hides words: no styles, scripts or comments, so
that nothing can cover what the core puts around a drill. Values are escaped before they get here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence


def refused_markup(html: str) -> Sequence[str]:
    """Return what an email's HTML may not hold: unknown elements, styles, scripts, comments, open ends."""
    from alerting.rendering.htmlpage import read

    wrong, _ = read(html)
    return tuple(dict.fromkeys(wrong))


def text_of(html: str) -> str:
    """Return the words of a page as plain text, lists as lines that begin with a hyphen."""
    from alerting.rendering.htmlpage import read

    _, words = read(html)
    lines = (line.strip() for line in words.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def paragraph(words: str, *, strong: bool = False) -> str:
    """Return words as one escaped paragraph."""
    from html import escape

    inner = escape(words)
    return f"<p><strong>{inner}</strong></p>" if strong else f"<p>{inner}</p>"
