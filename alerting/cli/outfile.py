"""A file that is there whole, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from alerting.errors import Problem, UsageProblem

_SQLITE: Final = b"SQLite format 3\0"


def written(path: Path, lines: Iterable[str], *, force: bool) -> int:
    """Write lines to a file only this user can read, and return how many there were.

    It takes its name when it is whole and on the disk. Without ``force`` nothing is replaced.

    Raises:
        UsageProblem: the file is there already, or cannot be written; or it is a ledger, with ``force`` too.
    """
    if path.exists() and not path.is_file():
        raise UsageProblem(Problem(where=str(path), what="is not a file", fix="name a new file"))
    if path.exists() and not force:
        raise _taken(path)
    if _is_record(path):
        what = "is a ledger, or a copy of one"
        raise UsageProblem(Problem(where=str(path), what=what, fix="name a new file"))
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        count = _draft(draft, lines)
        _move_in(draft, path, force=force)
    except OSError as error:
        what = f"cannot be written ({error.strerror}); nothing was left there"
        raise UsageProblem(Problem(where=str(path), what=what, fix="name another place")) from error
    finally:
        draft.unlink(missing_ok=True)
    return count


def _is_record(path: Path) -> bool:
    """Whether a file is one of SQLite's.  https://www.sqlite.org/fileformat.html section 1.3."""
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False


def _draft(draft: Path, lines: Iterable[str]) -> int:
    draft.unlink(missing_ok=True)
    count = 0
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(fd, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 - a descriptor has no path
        for line in lines:
            file.write(line)
            count += line.count("\n")
        file.flush()
        os.fsync(fd)
    return count


def _move_in(draft: Path, path: Path, *, force: bool) -> None:
    if not force:
        try:
            os.link(draft, path)
        except FileExistsError:
            raise _taken(path) from None
        except OSError:
            # Memory sticks have no links; then looking before was all there is.
            pass
        else:
            return
    draft.replace(path)


def _taken(path: Path) -> UsageProblem:
    return UsageProblem(Problem(where=str(path), what="is there already", fix="add --force to replace it"))
