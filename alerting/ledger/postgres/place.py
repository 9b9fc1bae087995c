"""Where a ledger on PostgreSQL is: an address with its credentials, and the schema its tables are in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from alerting.errors import MissingExtra, Problem
from alerting.secret import Secret

#: Our tables have names others may use as well, and the queue's stand beside them.
SCHEMA: Final = "alerting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An address like ``postgresql://user@host/database``; only ``told`` may be shown to people."""

    address: Secret
    schema: str = SCHEMA

    @property
    def told(self) -> str:
        """Return where it is, without a word of its credentials.

        Raises:
            MissingExtra: psycopg is not installed.
        """
        known = fields(self.address)
        host, port = known.get("host", ""), known.get("port", "")
        where = f"{host}:{port}" if port and not host.startswith("/") else host
        beside = "" if self.schema == SCHEMA else f" ({self.schema})"
        return f"postgresql://{where}/{known.get('dbname', '')}{beside}"


def fields(address: Secret) -> dict[str, str]:
    """Return the parts of an address by libpq's names; empty when it cannot be read.

    Raises:
        MissingExtra: psycopg is not installed.
    """
    try:
        from psycopg import Error
        from psycopg.conninfo import conninfo_to_dict
    except ImportError:
        raise MissingExtra(
            Problem(
                where="ledger",
                what="a ledger on PostgreSQL needs a library that is not installed",
                fix='pip install "alerting[postgres]"',
            )
        ) from None
    try:
        return {name: str(value) for name, value in conninfo_to_dict(address.reveal()).items()}
    except Error:
        return {}
