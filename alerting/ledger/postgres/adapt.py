"""How values travel: whole numbers always as 64 bits, texts without what PostgreSQL cannot hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import psycopg

#: PostgreSQL holds no NUL in a text, and people write what they like. This says that something was there.
_HOLE: Final = "\ufffd"


def adapt(raw: psycopg.Connection[Any]) -> None:
    """Teach one connection.

    psycopg picks the smallest type for each number, which would prepare a statement anew for each
    combination of sizes.
    """
    from psycopg.types.numeric import Int8Dumper
    from psycopg.types.string import StrDumperUnknown

    class Texts(StrDumperUnknown):
        def dump(self, obj: str) -> Any:
            return super().dump(obj.replace("\x00", _HOLE) if "\x00" in obj else obj)

    raw.adapters.register_dumper(int, Int8Dumper)
    raw.adapters.register_dumper(str, Texts)
