"""Names for things: alert ids people can read aloud.

An id starts with its mode, ``L-`` for live and ``D-`` for drill, so that nobody has to look it up
and no code can mistake one for the other. ``N-`` is a notice: about this program, for the people on call.
"""

from __future__ import annotations

import os
from typing import Final

#: Crockford's base 32: no I, L, O or U, so an id survives a radio or a phone call.
ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LIVE, _DRILL, _NOTICE = "L-", "D-", "N-"
_ID_LENGTH: Final = 6
_RUN_KEY_BYTES: Final = 16


def new_alert_id(*, live: bool) -> str:
    """Return a fresh id such as ``L-7K2QXD``: the mode, then 30 random bits."""
    import secrets  # most commands make no id

    return (_LIVE if live else _DRILL) + "".join(secrets.choice(ALPHABET) for _ in range(_ID_LENGTH))


def new_notice_id() -> str:
    """Return a fresh id of a notice, such as ``N-7K2QXD``."""
    return _NOTICE + new_alert_id(live=True).removeprefix(_LIVE)


def new_run_key() -> str:
    """Return a fresh run key: 128 random bits in hex. ``uuid`` takes 2 ms to import."""
    return os.urandom(_RUN_KEY_BYTES).hex()


def is_notice(alert_id: str) -> bool:
    """Say whether an id belongs to a notice about this program."""
    return alert_id.startswith(_NOTICE)


def is_live(alert_id: str) -> bool:
    """Say whether an id belongs to a live alert; anything unknown is not live."""
    return alert_id.startswith(_LIVE)


def normal_id(text: str) -> str:
    """Return an id as stored, from what a person typed (lower case, O for 0, I or L for 1)."""
    word = text.strip().upper()
    if word[:2] not in (_LIVE, _DRILL, _NOTICE):
        return word
    return word[:2] + word[2:].translate(str.maketrans("OIL", "011"))
