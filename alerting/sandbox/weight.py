"""How long a post is for X: weighted characters."""

import re
import unicodedata
from typing import Final

LIMIT: Final = 280
URL_WEIGHT: Final = 23

#: Ranges whose characters weigh one; all others weigh two.
LIGHT: Final = ((0x0000, 0x10FF), (0x2000, 0x200D), (0x2010, 0x201F), (0x2032, 0x2037))
_URL: Final = re.compile(
    r"https?://\S+|\b(?:[a-z0-9-]+\.)+(?:edu|com|org|net|gov|io|info|us|uk|de|ca|au)\b(?:/\S*)?",
    re.IGNORECASE,
)
_JOINED_EMOJI: Final = re.compile(
    "[\U0001f1e6-\U0001f1ff]{2}"
    "|[\u00a9\u00ae\u203c-\u3299\U0001f000-\U0001faff][\ufe0f\U0001f3fb-\U0001f3ff]*"
    "(?:\u200d[\u2190-\u3299\U0001f000-\U0001faff][\ufe0f\U0001f3fb-\U0001f3ff]*)+"
    "|[\u203c-\u3299\U0001f000-\U0001faff][\ufe0f\U0001f3fb-\U0001f3ff]+"
    "|[0-9#*]\ufe0f?\u20e3"
)


def weigh(text: str) -> int:
    """Weighted length of a post; 280 is the most a plain account may say.

    Simplified in two ways: a bare domain is a link only below a dozen top-level domains, and
    emoji sequences are recognised by range, not by the Unicode tables.

    Source: twitter-text config v3 (maxWeightedTweetLength 280, transformedURLLength 23).
    """
    folded, links = _URL.subn("", unicodedata.normalize("NFC", text))
    plain, emoji = _JOINED_EMOJI.subn("", folded)
    return links * URL_WEIGHT + emoji * 2 + sum(_weight(ord(character)) for character in plain)


def _weight(point: int) -> int:
    return 1 if any(low <= point <= high for low, high in LIGHT) else 2
