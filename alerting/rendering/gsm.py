"""The two character tables of a plain text message.

Source: 3GPP TS 23.038 section 6.2.1 (default alphabet) and 6.2.1.1 (extension table).
"""

from __future__ import annotations

from typing import Final

_GREEK_CAPITALS: Final = "\u0394\u03a6\u0393\u039b\u03a9\u03a0\u03a8\u03a3\u0398\u039e"

#: One septet each. The 128th place is the escape to the extension table and is not a character.
BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅå_ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà" + _GREEK_CAPITALS
)

#: Two septets each: the escape and the character.
EXTENSION: Final = frozenset("^{}\\[~]|€\f")

#: Everything that can be sent without switching the whole text to UCS-2.
GSM: Final = BASIC | EXTENSION
