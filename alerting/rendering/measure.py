"""How long a text is, as a carrier bills it and as X counts it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final, Literal

from alerting.named import NamedTuple
from alerting.rendering.emoji import without_emoji
from alerting.rendering.gsm import EXTENSION, GSM
from alerting.rendering.links import links

#: Units of a text that travels alone, and of each part of a joined one (7 septets, or 3 UCS-2 units,
#: go to the header that joins them). Source: 3GPP TS 23.040 section 9.2.3.24.1.
_SEPTETS: Final = (160, 153)
_CODE_UNITS: Final = (70, 67)
_LAST_OF_BMP: Final = "\uffff"

#: X's limit and weights. Source: twitter-text, config/v3.json.
X_LIMIT: Final = 280
_LINK_WEIGHT: Final = 23
_EMOJI_WEIGHT: Final = 2
_HEAVY: Final = "[^\u0000-\u10ff\u2000-\u200d\u2010-\u201f\u2032-\u2037]"
_INVALID_ON_X: Final = frozenset("\ufffe\ufeff\uffff")


class SmsSize(NamedTuple):
    """What a text is billed and queued as.

    ``units`` are septets (GSM-7) or UTF-16 code units (UCS-2) of the text itself. ``per_segment`` is
    how many fit each part, ``left`` how many are still free in the last one. ``foreign`` holds the
    characters that forced UCS-2, in order of first appearance.
    """

    encoding: Literal["GSM-7", "UCS-2"]
    units: int
    segments: int
    per_segment: int
    left: int
    foreign: tuple[str, ...] = ()


class XSize(NamedTuple):
    """What X counts: the weighted length, and whether it may be posted as it is."""

    weighted: int
    fits: bool


def sms(text: str) -> SmsSize:
    """Count the parts a text message is billed as.

    Septets: 160 alone, 153 a part when joined; UCS-2 code units: 70 and 67. A character of the
    extension table takes two septets. Neither that pair nor a surrogate pair is ever split, so a part
    may stay one short. An empty text has no segments.

    Source: 3GPP TS 23.038 section 6.2.1; 23.040 section 9.2.3.24.1.
    """
    used = set(text)
    if used <= GSM:
        doubles = used & EXTENSION
        units = len(text) + sum(map(text.count, doubles))
        segments, per_segment, left = _split(text, units, _SEPTETS, doubles)
        return SmsSize(encoding="GSM-7", units=units, segments=segments, per_segment=per_segment, left=left)
    doubles = {c for c in used if c > _LAST_OF_BMP}
    units = len(text) + sum(map(text.count, doubles))
    segments, per_segment, left = _split(text, units, _CODE_UNITS, doubles)
    foreign = tuple(dict.fromkeys(c for c in text if c not in GSM))
    return SmsSize(
        encoding="UCS-2",
        units=units,
        segments=segments,
        per_segment=per_segment,
        left=left,
        foreign=foreign,
    )


def _split(text: str, units: int, sizes: tuple[int, int], doubles: Iterable[str]) -> tuple[int, int, int]:
    """Return segments, units a segment, and what is left in the last one."""
    alone, joined = sizes
    if units <= alone:
        return min(1, units), alone, alone - units
    pairs = frozenset(doubles)
    if not pairs:
        segments = -(-units // joined)
        return segments, joined, segments * joined - units
    segments, filled = 1, 0
    for character in text:
        width = 2 if character in pairs else 1
        if filled + width > joined:
            segments, filled = segments + 1, 0
        filled += width
    return segments, joined, joined - filled


def weighted(text: str) -> XSize:
    """Count a text as X does: most scripts 1, CJK and symbols 2, an emoji sequence 2, a link 23.

    Counted after NFC. A text that is empty, holds U+FFFE, U+FEFF or U+FFFF, or weighs more than 280
    does not fit. Known limits: an emoji sequence nobody has defined counts as one emoji; a link
    whose top-level domain is not in our list counts 23 or its own length, whichever is more.

    Source: twitter-text configuration version 3.
    """
    text = unicodedata.normalize("NFC", text)
    total, done = 0, 0
    for link in links(text):
        total += _weight(text[done : link.start])
        own = 0 if link.known else _weight(text[link.start : link.end])
        total += max(_LINK_WEIGHT, own)
        done = link.end
    total += _weight(text[done:])
    return XSize(weighted=total, fits=0 < total <= X_LIMIT and _INVALID_ON_X.isdisjoint(text))


def _weight(text: str) -> int:
    """Weigh text without links."""
    if text.isascii():
        return len(text)
    rest, emoji = without_emoji(text)
    return len(rest) + len(re.findall(_HEAVY, rest)) + emoji * _EMOJI_WEIGHT
