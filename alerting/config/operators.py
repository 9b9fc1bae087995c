"""``operators.yaml``, beside ``channels.yaml`` or named by it: read whole and checked, with its tokens."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alerting.authority.people import Operators, Person, Role, Rules
from alerting.authority.tokens import Token, read_tokens
from alerting.config import shelf
from alerting.config.codec import Recorder, Unkeepable, plain, revived
from alerting.config.model import Config
from alerting.errors import ConfigProblem, Problem

if TYPE_CHECKING:
    from alerting.config.lines import Document, Where
    from alerting.config.operator_sections import OperatorsFile

#: The file's name, in the folder of channels.yaml, where that names no other.
FILE: Final = "operators.yaml"
_SENDING: Final = frozenset({Role.SENDER})
#: Raised when the form of what is kept changes, and what of this program shapes it.
_VERSION: Final = 1
_FILES: Final = shelf.files_of(("config", "authority/people.py", "channels/settings.py", "named.py"))


def operators_path(config: Config) -> Path:
    """Return where the file is, or would be."""
    return config.operators or config.path.with_name(FILE)


def tokens_path(path: Path) -> Path:
    """Return where the hashes of tokens lie: beside the file, ``operators.tokens``."""
    return path.with_suffix(".tokens")


def load_operators(config: Config) -> Operators | None:
    """Read who may do what; None where there is no file: then whoever may use this host may do all.

    Raises:
        ConfigProblem: a file cannot be used; it lists every problem, each with its line.
    """
    path = operators_path(config)
    raw = _bytes(path, needed=config.operators is not None)
    if raw is None:
        return None
    people, rules = _kept(config, path, raw)
    return Operators(path=path, people=people, tokens=_tokens(path, people), rules=rules)


def _kept(config: Config, path: Path, raw: bytes) -> tuple[dict[str, Person], Rules]:
    """Return what the file says, as it was checked last where it has not changed since.

    Raises:
        ConfigProblem: it cannot be used.
    """
    place = config.state / "operators.json"
    marks = {"by": shelf.program(_VERSION, _FILES), "raw": shelf.text_of(raw)}
    try:
        people, rules = revived(shelf.read(place, marks, "told"), Recorder())
    except shelf.ODD:
        people, rules = _checked(path, raw)
        with suppress(Unkeepable):
            shelf.write(place, {**marks, "told": plain((people, rules), Recorder())})
    return people, rules


def _checked(path: Path, raw: bytes) -> tuple[dict[str, Person], Rules]:
    # yaml and pydantic are heavy: paid once for a file.
    from alerting.config import lines
    from alerting.config.checked import checked
    from alerting.config.operator_sections import OperatorsFile

    document = lines.read(raw, path.name)
    if not isinstance(document.data, dict):
        raise ConfigProblem(document.problem((), "", "not a group of fields", "begin with version: 1"))
    file = checked(OperatorsFile, document.data, document)
    if file is not None:
        document.problems.extend(_contradictions(document, file))
    if file is None or document.problems:
        raise ConfigProblem(*document.problems)
    return _people(file), _rules(file)


def _bytes(path: Path, *, needed: bool) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError as wrong:
        if not needed:
            return None
        raise ConfigProblem(
            Problem(
                where=str(path),
                what="there is no such file",
                fix="write it, or take `operators:` out of channels.yaml",
            )
        ) from wrong
    except OSError as wrong:
        what = (wrong.strerror or "cannot be read").lower()
        raise ConfigProblem(Problem(where=str(path), what=what, fix="let this user read it")) from wrong


def _people(file: OperatorsFile) -> dict[str, Person]:
    return {
        key: Person(key=key, name=part.name or key, roles=frozenset(part.roles), accounts=tuple(part.os_user))
        for key, part in file.people.items()
    }


def _rules(file: OperatorsFile) -> Rules:
    told = file.rules
    return Rules(
        approval=timedelta(minutes=told.approval_minutes),
        large_list=told.large_list,
        grounds=frozenset(told.second_person_for),
        immediate_alone=told.immediate_alone,
        broadcasts=told.broadcasts,
    )


def _contradictions(document: Document, file: OperatorsFile) -> Iterator[Problem]:
    """Yield an account that is two people's, and a file with which nobody could send."""
    owners: dict[str, str] = {}
    for key, part in file.people.items():
        for index, account in enumerate(part.os_user):
            first = owners.setdefault(account, key)
            if first != key:
                where: Where = ("people", key, "os_user", index)
                what = f"{account} is already the account of {first}"
                yield document.problem(where, f"people.{key}.os_user", what, "give each person their own")
    if not any(set(part.roles) & _SENDING for part in file.people.values()):
        yield document.problem(
            ("people",), "people", "nobody may send", "give somebody the role sender: roles: [sender]"
        )


def _tokens(path: Path, people: Collection[str]) -> tuple[Token, ...]:
    """Read the tokens beside the file; one of somebody who is not in the file opens nothing."""
    beside = tokens_path(path)
    try:
        text = beside.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as wrong:
        what = f"cannot be read ({type(wrong).__name__})"
        raise ConfigProblem(Problem(where=str(beside), what=what, fix="let this user read it")) from wrong
    tokens, wrong_lines = read_tokens(text)
    if wrong_lines:
        raise ConfigProblem(
            *(
                Problem(where=f"{beside.name}:{line}", what="this is no token", fix="take the line out")
                for line in wrong_lines
            )
        )
    return tuple(token for token in tokens if token.person in people)


def keep_token(path: Path, token: Token) -> Path:
    """Add a token's hash beside the operators' file, readable by its owner and group only.

    Raises:
        ConfigProblem: it cannot be written.
    """
    beside = tokens_path(path)
    try:
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        with os.fdopen(fd, "a", encoding="utf-8") as file:
            file.write(token.line + "\n")
    except OSError as wrong:
        what = f"cannot be written ({wrong.strerror})"
        raise ConfigProblem(
            Problem(where=str(beside), what=what, fix="do this as the user who may write it")
        ) from wrong
    return beside
