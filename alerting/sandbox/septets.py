"""How many parts a text is billed as."""

from typing import Final

BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED: Final = frozenset("^{}\\[~]|€\f")


def segments(text: str) -> int:
    """Count the SMS parts a text is billed as.

    Septets: 160 alone, 153 per part when joined, two for a character of the extension table;
    otherwise UCS-2 code units: 70 and 67. Parts are counted by length alone.

    Source: 3GPP TS 23.038 section 6.2.1; 23.040 section 9.2.3.24.1.
    """
    characters = set(text)
    if characters <= BASIC:
        size, alone, joined = len(text), 160, 153
    elif characters <= BASIC | EXTENDED:
        size, alone, joined = len(text) + sum(text.count(c) for c in EXTENDED), 160, 153
    else:
        size, alone, joined = len(text.encode("utf-16-be")) // 2, 70, 67
    return 1 if size <= alone else -(-size // joined)
