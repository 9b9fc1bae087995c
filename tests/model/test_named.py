"""Named tuples that are made without looking at their annotations are otherwise what typing's own are."""

import pickle
import typing

import pytest

from alerting.channels.base import Absent, CannotTell, Forged, Found
from alerting.model.outcome import Accepted, Deferred, Reason, Rejected, Unknown
from alerting.named import NamedTuple, Variant


class Ours(NamedTuple):
    """A field more than one."""

    name: str
    size: "int" = 3

    @property
    def twice(self) -> int:
        return 2 * self.size

    @classmethod
    def small(cls) -> "Ours":
        return cls("small", 1)


class Theirs(typing.NamedTuple):
    """A field more than one."""

    name: str
    size: "int" = 3


class Yes(Variant):
    why: str


class No(Variant):
    why: str


def test_it_is_what_typing_makes_of_the_same_class():
    told = ("_fields", "_field_defaults", "__match_args__", "__doc__", "__module__", "__slots__")

    assert {name: getattr(Ours, name) for name in told} == {name: getattr(Theirs, name) for name in told}
    assert Ours.__qualname__ == "Ours"
    assert (Ours("a"), Ours("a", size=4)._asdict()) == (("a", 3), {"name": "a", "size": 4})
    assert repr(Ours("a")) == "Ours(name='a', size=3)"
    assert (Ours("a").twice, Ours.small()) == (6, ("small", 1))
    assert pickle.loads(pickle.dumps(Ours("a", 5))) == Ours("a", 5)
    with pytest.raises(AttributeError):
        Ours("a").name = "b"
    assert (Ours._make(["a", 2]), Ours("a")._replace(size=2)) == (("a", 2), ("a", 2))
    assert type(Ours._make(["a", 2])) is type(Ours("a")._replace(size=2)) is Ours
    assert Ours.name.__doc__ == Theirs.name.__doc__


@pytest.mark.parametrize(
    "ask",
    [
        lambda kind: kind(),
        lambda kind: kind("a", 1, 2),
        lambda kind: kind("a", colour=1),
        lambda kind: kind._make(["a"]),
        lambda kind: kind("a")._replace(colour=1, size=2),
    ],
    ids=["no value", "one too many", "unknown", "made of too few", "another in place of none"],
)
def test_what_it_refuses_it_refuses_in_the_words_of_typings_own(ask):
    with pytest.raises((TypeError, ValueError)) as told:
        ask(Ours)
    with pytest.raises((TypeError, ValueError)) as theirs:
        ask(Theirs)

    assert told.type is theirs.type
    assert str(told.value) == str(theirs.value).replace("Theirs", "Ours")


def test_classes_of_as_many_fields_keep_their_own_names():
    pair = Yes("x"), No(why="y"), Ours(size=1, name="z")

    assert pair[0].why + pair[1].why + pair[2].name == "xyz"


def test_a_variant_equals_its_own_kind_alone_whatever_it_holds():
    assert Yes("x") == Yes("x")
    assert not Yes("x") != Yes("x")  # noqa: SIM202 - both are ours to define
    assert Yes("x") != No("x")
    assert Yes("x") != Yes("y")
    assert Yes("x") != ("x",)
    assert len({Yes("x"), Yes("x"), No("x"), ("x",)}) == 3


@pytest.mark.parametrize(
    "kinds",
    [
        (
            Rejected(Reason.AUTH, "a"),
            Unknown(Reason.AUTH, "a"),
            Deferred(Reason.AUTH, detail="a"),
            Accepted("a"),
        ),
        (Found("a"), CannotTell("a"), Absent(certain=True), Forged("a")),
    ],
    ids=["outcomes", "verdicts"],
)
def test_no_answer_of_a_provider_is_taken_for_another(kinds):
    assert [[one == other for other in kinds] for one in kinds] == [
        [one is other for other in kinds] for one in kinds
    ]
