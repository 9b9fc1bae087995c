"""A roster kept as a table: a row a shift, read as the same document its YAML form would be.

Columns: ``name, phone, email, starts, ends, rule, step, approver``. ``step`` is empty or 0 for those on
duty, 1 for those told next, and so on; a row without ``starts`` only makes a person known.
"""

from __future__ import annotations

import csv
import re
from io import StringIO
from typing import Any, Final

from alerting.config.lines import Document
from alerting.errors import ConfigProblem, Problem

_COLUMNS: Final = ("name", "phone", "email", "starts", "ends", "rule", "step", "approver")
_YES: Final = frozenset({"yes", "y", "true", "1", "x"})


def as_document(raw: bytes, name: str) -> Document:
    """Return a table as a roster document; problems found later name its lines.

    Raises:
        ConfigProblem: it is no such table.
    """
    try:
        rows = list(csv.reader(StringIO(raw.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as wrong:
        raise ConfigProblem(
            Problem(where=name, what=f"not a CSV file ({wrong})", fix="save as UTF-8")
        ) from wrong
    head = [cell.strip().lower() for cell in rows[0]] if rows else []
    strange = [cell for cell in head if cell not in _COLUMNS]
    if "name" not in head or strange:
        what = f'no column may be called "{strange[0]}"' if strange else "the first line names no columns"
        raise ConfigProblem(Problem(where=f"{name}:1", what=what, fix=f"write {','.join(_COLUMNS)}"))
    document = Document(
        name=name, data={"version": 1, "people": {}, "shifts": [], "then": [], "approvers": []}
    )
    steps: dict[int, list[str]] = {}
    for number, row in enumerate(rows[1:], 2):
        cells = {key: cell.strip() for key, cell in zip(head, row, strict=False) if cell.strip()}
        if cells:
            _take(document, cells, steps, number)
    document.data["then"] = [steps[step] for step in sorted(steps)]
    return document


def _take(document: Document, cells: dict[str, str], steps: dict[int, list[str]], number: int) -> None:
    key = _key(cells.get("name", ""))
    person = document.data["people"].setdefault(key, {"name": cells.get("name", "")})
    person.update({name: cells[name] for name in ("phone", "email") if name in cells})
    for name in ("name", "phone", "email"):
        document.lines["people", key, name] = number
    document.lines["people", key] = number
    if "starts" in cells or "ends" in cells:
        _shift(document, cells, key, number)
    step = cells.get("step", "0")
    if not re.fullmatch(r"[0-9]", step):
        document.problems.append(_problem(document, number, "step", "is no number from 0 to 9"))
    elif step != "0" and key not in steps.setdefault(int(step), []):
        steps[int(step)].append(key)
    if cells.get("approver", "").lower() in _YES and key not in document.data["approvers"]:
        document.data["approvers"].append(key)


def _shift(document: Document, cells: dict[str, str], key: str, number: int) -> None:
    shift: dict[str, Any] = {"who": [key]}
    shift.update({name: cells[name] for name in ("starts", "ends", "rule") if name in cells})
    index = len(document.data["shifts"])
    document.data["shifts"].append(shift)
    document.lines["shifts", index] = number
    for name in ("who", "starts", "ends", "rule"):
        document.lines["shifts", index, name] = number


def _key(name: str) -> str:
    """Return the key of a name: ``Kim Ito`` is ``kim-ito``."""
    return re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")[:32] or "nobody"


def _problem(document: Document, number: int, column: str, what: str) -> Problem:
    return Problem(where=f"{document.name}:{number}: {column}", what=what, fix="write 1 for those told next")
