"""The address of a shared ledger, looked up when the program is built: it may hold a password."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from alerting.config.model import LedgerAt
from alerting.errors import ConfigProblem, Problem
from alerting.secret import Secret

#: How an address of a PostgreSQL begins.
SCHEMES: Final = ("postgresql://", "postgres://")


def address_of(ledger: LedgerAt, environ: Mapping[str, str], folder: Path) -> Secret:
    """Return the address a configuration leads to; paths are relative to its ``folder``.

    Raises:
        ConfigProblem: there is none, or it is no address of a PostgreSQL.
    """
    from alerting.config.secrets import Secrets

    if ledger.source == "text":
        return Secret(ledger.name)
    try:
        secrets = Secrets(environ, folder)
        address = secrets.resolve(source=ledger.source, name=ledger.name, field="ledger")
    except ValueError as wrong:  # pydantic's own kind, with what and fix beside it
        told = getattr(wrong, "context", None) or {"what": "cannot be read", "fix": ""}
        raise ConfigProblem(Problem(where=ledger.where, what=told["what"], fix=told["fix"])) from None
    if not address.reveal().startswith(SCHEMES):
        what = f"the variable {ledger.name}" if ledger.source == "env" else f"the {ledger.source}"
        fix = "begin it with postgresql://"
        raise ConfigProblem(Problem(where=ledger.where, what=f"{what} does not hold an address", fix=fix))
    return address
