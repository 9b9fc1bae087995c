"""Where the record is: a file of this machine (nothing to say), or a PostgreSQL others share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import PlainValidator, WithJsonSchema

from alerting.channels.settings import REFERENCES, VARIABLE_PATTERN, plain_credential, refused
from alerting.config.address import SCHEMES
from alerting.named import NamedTuple

_HOW: Final = "write {env: ALERT_LEDGER}, or postgresql://user@host/database without a password"


class Reference(NamedTuple):
    """How the file names the ledger: a variable, a file, or the address itself."""

    source: Literal["env", "file", "credential", "text"]
    name: str


def _read(value: Any) -> Reference:
    if isinstance(value, str):
        _refuse_password(value)
        return Reference("text", value)
    if not isinstance(value, Mapping) or len(value) != 1:
        raise refused("not the address of a ledger", _HOW)
    [(source, name)] = value.items()
    if source not in ("env", "file", "credential") or not isinstance(name, str) or not name:
        raise refused("not the address of a ledger", _HOW)
    if source == "env" and not re.fullmatch(VARIABLE_PATTERN, name):
        raise refused("env takes the name of a variable, in capitals", "write it like {env: ALERT_LEDGER}")
    if source == "credential":
        plain_credential(name)
    return Reference(source, name)


def _refuse_password(text: str) -> None:
    if not text.startswith(SCHEMES):
        raise refused("not the address of a ledger", _HOW)
    try:
        parts = urlsplit(text)
        told = parts.password is not None or "password" in dict(parse_qsl(parts.query))
    except ValueError:
        raise refused("not the address of a ledger", _HOW) from None
    if told:
        raise refused("a password is never written into the file", "write {env: ALERT_LEDGER}")


#: ``{env: NAME}``, ``{file: PATH}``, ``{credential: NAME}``, or an address without a password.
LedgerField = Annotated[
    Reference,
    PlainValidator(_read),
    WithJsonSchema({"oneOf": [{"type": "string", "pattern": "^postgres(ql)?://"}, *REFERENCES]}),
]
