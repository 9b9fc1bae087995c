"""Noticing that the machine's clock was set back, so that what waits for an instant need not wait longer."""

from __future__ import annotations

from typing import Final

_SECOND: Final = 1_000_000
#: Less is no step: clocks are slowed down and sped up to keep in time, and are read one after the other.
_LEAST: Final = 2 * _SECOND


class Setback:
    """Compares the clock with the steady one, from one look to the next."""

    def __init__(self) -> None:
        self._last: tuple[int, float] | None = None

    def since(self, now: int, mono: float) -> int:
        """Return by how many microseconds the clock was set back since the last look, 0 for hardly any.

        ``now`` is microseconds since 1970, ``mono`` steady seconds.
        """
        last, self._last = self._last, (now, mono)
        if last is None:
            return 0
        lost = last[0] + int((mono - last[1]) * _SECOND) - now
        return lost if lost >= _LEAST else 0
