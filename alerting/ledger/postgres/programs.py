"""Which versions of this program are connected to a shared ledger.

Each connection holds, for as long as it lives, a shared advisory lock named by its schema and the version
of the tables it knows; the server gives it back however the program ends. Whoever takes away what older
programs use takes the locks of those versions for itself, so none is there and none can come meanwhile.
Source: https://www.postgresql.org/docs/current/explicit-locking.html section 13.3.5
"""

from __future__ import annotations

from typing import Final

from alerting.errors import LedgerUnavailable, Problem
from alerting.ledger.postgres.connection import Connection

#: In pg_locks the two numbers of such a lock are classid, which has no sign, and objid; objsubid is 2.
_THERE: Final = """
SELECT told.version, coalesce(host(client_addr), 'its own host'), count(*)
FROM pg_stat_activity LEFT JOIN (
    SELECT pid, objid::bigint AS version, classid::bigint = hashtext(%s)::bigint & 4294967295 AS ours
    FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 2 AND mode = 'ShareLock' AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
) AS told USING (pid)
WHERE datname = current_database() AND pid <> pg_backend_pid()
  AND (told.ours AND told.version < %s OR told.pid IS NULL AND application_name = 'alert')
GROUP BY 1, 2 ORDER BY 1, 2
"""


def register(connection: Connection, schema: str, version: int) -> None:
    """Say which version this is, for as long as the connection lives."""
    connection.said_ahead(
        "SELECT pg_advisory_lock_shared(hashtext(%s), %s::integer)", (_word(schema), version)
    )


def refuse_older(connection: Connection, schema: str, below: int) -> None:
    """Refuse while programs that know only versions below this one are there; keep others out till commit.

    A program from before they said so is known by its name alone.

    Raises:
        LedgerUnavailable: some are; the error says where, and of which version.
    """
    free = [
        connection.do("SELECT pg_try_advisory_xact_lock(hashtext(%s), %s::integer)", (_word(schema), version))
        for version in range(1, below)
    ]
    there = connection.do(_THERE, (_word(schema), below))
    if not there and all(taken for ((taken,),) in free):
        return
    told = ", ".join(
        f"{count} of version {version or 'unknown'} from {host}" for version, host, count in there
    )
    raise LedgerUnavailable(
        Problem(
            where=connection.where,
            what=f"cannot be brought up to date while programs older than version {below} use it"
            f" (connections: {told or 'one that has just gone'})",
            fix="stop them or bring them up to date first, then repeat; --force does not change this",
        )
    )


def _word(schema: str) -> str:
    return f"{schema}.program"
