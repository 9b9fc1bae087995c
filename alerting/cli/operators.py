"""``alert operators``: who may do what, who you are to this program, and tokens for scripts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alerting.cli.face import Face, emit, note, say
from alerting.cli.family import family
from alerting.cli.options import Json
from alerting.cli.unplugged import config_of
from alerting.cli.words import columns, plural
from alerting.errors import NotAllowed, Problem, UsageProblem

if TYPE_CHECKING:
    from alerting.authority.people import Operators, Person

Name = Annotated[str, typer.Argument(help="Whose it is to be: the short name in operators.yaml.")]
_NO_FILE = "There is no operators.yaml: whoever may use this host and its state directory may do everything."


def list_(ctx: typer.Context, json: Json = False) -> None:
    """List the people, what each may do, how each is known, and who you are."""
    operators, people = _all(ctx.obj)
    you = [person.key for person in people]
    if json:
        told = [_as_json(operators, person) for person in operators.people.values()] if operators else []
        emit("operators", path=str(operators.path) if operators else None, people=told, you=you)
        return
    if operators is None:
        say(_NO_FILE)
        return
    rows = [("name", "roles", "known by", "")]
    rows += [_row(operators, person) for person in operators.people.values()]
    for line in columns(rows):
        say(line)
    say(_you(people))


def _all(face: Face) -> tuple[Operators | None, tuple[Person, ...]]:
    from alerting.authority.identity import this_process
    from alerting.config.operators import load_operators
    from alerting.gate import known

    operators = load_operators(config_of(face))
    return operators, known(operators, this_process(), face.token) if operators else ()


def _you(people: tuple[Person, ...]) -> str:
    from alerting.authority.identity import accounts_of, this_process

    if people:
        return f"You are {people[0].key}."
    return f"You are nobody here: no person has os_user: {accounts_of(this_process())[0]}."


def _row(operators: Operators, person: Person) -> tuple[str, str, str, str]:
    tokens = sum(token.person == person.key for token in operators.tokens)
    known = [*(f"account {account}" for account in person.accounts)]
    known += [plural(tokens, "token")] if tokens else []
    full = person.name if person.name != person.key else ""
    return person.key, ", ".join(sorted(person.roles)), ", ".join(known) or "nothing yet", full


def _as_json(operators: Operators, person: Person) -> dict[str, Any]:
    return {
        "name": person.key,
        "full_name": person.name,
        "roles": sorted(person.roles),
        "accounts": list(person.accounts),
        "tokens": [token.made for token in operators.tokens if token.person == person.key],
    }


def check(ctx: typer.Context, json: Json = False) -> None:
    """Check operators.yaml, and say what would be missed at night."""
    operators, _ = _all(ctx.obj)
    advice = advice_of(operators)
    if json:
        people = len(operators.people) if operators else 0
        emit("operators_check", file=operators is not None, people=people, advice=advice)
        return
    say(f"{operators.path}: {plural(len(operators.people), 'person', 'people')}" if operators else _NO_FILE)
    for line in advice:
        say(f"advice  {line}")


def advice_of(operators: Operators | None) -> list[str]:
    """Return what does not stop an alert, and will be missed when there is one."""
    from alerting.authority.people import Role

    if operators is None:
        return ["nobody can approve for another: one person alone may send everything"]
    told = []
    approvers = operators.having(Role.APPROVER)
    if not approvers:
        told.append("nobody is an approver: whatever needs a second person can only go with --break-glass")
    elif len(approvers) == 1 and Role.SENDER in approvers[0].roles:
        told.append(
            f"{approvers[0].key} is the only approver: nobody can approve what {approvers[0].key} asks"
        )
    known = {token.person for token in operators.tokens}
    told += [
        f"{person.key} has neither os_user nor a token, so nobody is known as {person.key}"
        for person in operators.people.values()
        if not person.accounts and person.key not in known
    ]
    return told


def token(ctx: typer.Context, name: Name, json: Json = False) -> None:
    """Make a token for a script or a person. It is shown once; its hash is kept beside operators.yaml."""
    from alerting.audit.acts import Act
    from alerting.authority.tokens import Token, hash_of, new_token
    from alerting.clock import SystemClock
    from alerting.config.operators import keep_token

    face: Face = ctx.obj
    operators = _may_make(face, name)
    text = new_token()
    made = SystemClock().now().isoformat(timespec="seconds")
    face.view.record(
        Act("operator.token_made", f"operator:{name}", {"hash": hash_of(text)}), actor=face.actor
    )
    path = keep_token(operators.path, Token(person=name, hash=hash_of(text), made=made))
    if json:
        emit("operator_token", name=name, token=text, path=str(path))
        return
    say(text)
    note(f"This is shown once. Give it to {name} as ALERT_TOKEN, or in a file: --token-file FILE.")
    note(f"To take it back, delete its line in {path}: {made}")


def _may_make(face: Face, name: str) -> Operators:
    """Return the operators where this person may make tokens, and ``name`` is one of them."""
    from alerting.authority.people import Role

    operators, people = _all(face)
    if operators is None:
        raise UsageProblem(Problem(where="", what="there is no operators.yaml", fix="write one first"))
    if name not in operators.people:
        fix = f"there are: {', '.join(operators.people)}"
        raise UsageProblem(Problem(where=operators.path.name, what=f"there is nobody called {name}", fix=fix))
    # Whoever may write the file could make themselves an admin; a person in it is what it says.
    allowed = people[0].may(frozenset({Role.ADMIN})) if people else os.access(operators.path, os.W_OK)
    if not allowed:
        what = f"{_you(people)} Tokens are made by an admin"
        raise NotAllowed(Problem(where=operators.path.name, what=what, fix="ask one"))
    return operators


def _first(ctx: typer.Context) -> None:
    list_(ctx)


def commands(name: str) -> typer.Typer:
    """Return the commands of this room."""
    members: dict[str, Any] = {"list": list_, "check": check, "token": token}
    return family(name, "Say who may do what; make tokens for scripts.", members, first=_first)
