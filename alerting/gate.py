"""Where everybody who wants something passes: known by the kernel or a token, and let through by role.

The process that owns the ledger asks here before it carries anything out, for itself as for others.
Without ``operators.yaml`` everybody passes who may use the state directory at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from alerting.authority.identity import Peer, accounts_of, this_process
from alerting.authority.people import Operators, Person, Role, Rules
from alerting.config.operators import load_operators
from alerting.errors import ConfigProblem, NotAllowed, Problem

if TYPE_CHECKING:
    from alerting.config import Config

_S, _A = Role.SENDER, Role.APPROVER
#: What each request needs, and in words. A verb that is not here decides nothing, and needs no role.
NEEDS: Final[Mapping[str, tuple[frozenset[Role], str]]] = {
    "open": (frozenset({_S}), "send alerts"),
    "approved": (frozenset({_A}), "approve alerts"),
    "ask": (frozenset({_S}), "ask for an alert"),
    "reject": (frozenset({_S, _A}), "reject a request"),
    "void": (frozenset({_S, _A}), "void a request"),
    "cancel": (frozenset({_S, _A}), "cancel alerts"),
    "close": (frozenset({_S, _A}), "close incidents"),
    "review": (frozenset({_A}), "review what was sent alone"),
    "drill.start": (frozenset({_S}), "run drills"),
    "retain": (frozenset({Role.ADMIN}), "delete people's data"),
    "alert.noted": (frozenset({_S, _A}), "note facts of an alert"),
    "template.reviewed": (frozenset({_A, Role.TEMPLATE_EDITOR, Role.ADMIN}), "review templates"),
    "notice.acked": (frozenset(Role), "answer notices"),
}
#: What whoever is called may do as well, and whoever looks after this machine.
_CALLED: Final = frozenset({"notice.acked"})


def admit(config: Config, told: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request with those it comes from as we know them, whatever it says itself.

    ``told`` is as the control socket brings it; without ``peer`` it is this process's own. The answer
    has ``by``, the keys of the people it comes from, and ``actor`` is the first of them.

    Raises:
        NotAllowed: whoever asks is not known, or has no role for it.
        ConfigProblem: operators.yaml cannot be used.
    """
    rest = {name: value for name, value in told.items() if name not in ("peer", "token", "by")}
    operators = load_operators(config)
    if operators is None:
        return {**rest, "by": ()}
    peer = Peer(*told["peer"]) if "peer" in told else this_process()
    people, needs = known(operators, peer, str(told.get("token") or "")), _needs(told)
    if not people and needs and _CALLED.issuperset(needs) and (called := _called(config, peer)):
        origin = f"{told.get('origin', '')}, account {accounts_of(peer)[0]}"
        return {**rest, "actor": called, "origin": origin, "by": ()}
    for need in needs:
        _require(operators, people, peer, need)
    if not people:
        return {**rest, "by": ()}
    origin = f"{told.get('origin', '')}, account {accounts_of(peer)[0]}"
    by = tuple(person.key for person in people)
    approval_s = operators.rules.approval.total_seconds()
    return {**rest, "actor": people[0].key, "origin": origin, "by": by, "approval_s": approval_s}


def rules_of(config: Config) -> Rules:
    """Return what asks for a second person, and how often alerts may follow each other.

    Raises:
        ConfigProblem: operators.yaml cannot be used.
    """
    operators = load_operators(config)
    return operators.rules if operators else Rules()


def check(config: Config, verb: str, token: str) -> None:
    """Refuse somebody early who would be refused in the end: before they have read a preview and typed.

    Raises:
        NotAllowed, ConfigProblem: see ``admit``.
    """
    admit(config, {"verb": verb, "token": token})


def known(operators: Operators, peer: Peer, token: str) -> tuple[Person, ...]:
    """Return who a process is: the token's person first, and whose account it is.

    Raises:
        NotAllowed: the token opens nothing.
    """
    by_account = operators.with_account(*accounts_of(peer))
    if not token:
        return (by_account,) if by_account else ()
    by_token = operators.with_token(token)
    if by_token is None:
        raise NotAllowed(
            Problem(
                where="", what="this token is not known here", fix="`alert operators token NAME` makes one"
            )
        )
    return (by_token,) if by_account in (None, by_token) else (by_token, by_account)


def _needs(told: Mapping[str, Any]) -> Sequence[str]:
    verb = str(told.get("verb", ""))
    if verb == "acts":
        return [str(action) for action, *_ in told["acts"]]
    if verb in ("send.shown", "confirmed"):
        return ["open"]
    approving = verb in ("open", "drill.start") and told.get("approval")
    return ["approved" if approving else verb]


def _require(operators: Operators, people: Sequence[Person], peer: Peer, need: str) -> None:
    if need not in NEEDS:
        return
    roles, words = NEEDS[need]
    if not people:
        raise NotAllowed(_stranger(operators, peer, words))
    # A token stands for the person it belongs to, and lends nothing of the account that holds it.
    person = people[0]
    if not person.may(roles):
        has = ", ".join(sorted(person.roles))
        allowed = ", ".join(p.key for p in operators.people.values() if p.may(roles)) or "nobody"
        what = f"{person.key} ({has}) may not {words}; nothing was done"
        raise NotAllowed(Problem(where=operators.path.name, what=what, fix=f"ask one of: {allowed}"))


def _called(config: Config, peer: Peer) -> str:
    """Return whom the log names for somebody without a role: who is on the duty roster, or has this machine.

    That is root, and the account the record belongs to. A roster that cannot be read knows nobody.
    """
    from alerting.config.roster import load_roster  # only whoever is not in operators.yaml pays for it

    accounts = accounts_of(peer)
    try:
        told = config.on_call
        people = load_roster(told.roster, zone=config.campus.time_zone).people if told else {}
    except ConfigProblem:
        people = {}
    for key, person in people.items():
        if any(person.called(account) for account in accounts):
            return key
    owners = {0, config.state.stat().st_uid} if config.state.is_dir() else {0}
    names = [account for account in accounts if not account.isdigit()]
    return (names or list(accounts))[-1] if peer.uid in owners else ""


def _stranger(operators: Operators, peer: Peer, words: str) -> Problem:
    account = accounts_of(peer)[0]
    return Problem(
        where=operators.path.name,
        what=f"the account {account} is nobody's here, so it may not {words}; nothing was done",
        fix=f"add os_user: {account} to a person of {operators.path}, or give a token: ALERT_TOKEN",
    )
