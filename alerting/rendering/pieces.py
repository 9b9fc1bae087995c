"""A block that is only words, names and ``{% if name %}``, as data: to be filled without Jinja2.

Jinja2 reads every template and has the say on what it means. What it made of such a block is a row of
pieces; putting values into those takes no engine, and importing one takes as long as two interpreters'
start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from alerting.named import NamedTuple

if TYPE_CHECKING:
    from jinja2 import nodes

#: Text as it stands, and places where something comes in, in order.
Pieces: TypeAlias = "tuple[str | Slot, ...]"
#: The one name that Jinja2 gives a meaning of its own.
_ITS_OWN: Final = "self"
#: Conditions inside of each other, or in a row of ``elif``, that pieces hold; nobody writes as many.
_DEEPEST: Final = 20


class Slot(NamedTuple):
    """Where a value comes in. With ``then``, what does if the value is not empty; ``other`` if it is."""

    name: str
    then: Pieces | None = None
    other: Pieces = ()


class _Richer(Exception):
    """A block has more in it than pieces can say."""


def pieces_of(tree: nodes.Template) -> Pieces | None:
    """Return what Jinja2 has read of a block as pieces; None where it takes Jinja2 to fill it."""
    try:
        return tuple(_pieces(tree.body, _DEEPEST))
    except _Richer:
        return None


def _pieces(body: Sequence[nodes.Node], deeper: int) -> Iterator[str | Slot]:
    from jinja2 import nodes

    for node in body:
        if isinstance(node, nodes.If) and deeper:
            yield _condition(node, node.elif_, node.else_, deeper - 1)
        elif isinstance(node, nodes.Output):
            for told in node.nodes:
                yield told.data if isinstance(told, nodes.TemplateData) else Slot(_name(told))
        else:
            raise _Richer


def _condition(
    node: nodes.If, otherwise: Sequence[nodes.If], at_last: Sequence[nodes.Node], deeper: int
) -> Slot:
    """Return ``if`` with what comes after it: the next ``elif`` and all that follows, or ``else``."""
    if otherwise and not deeper:
        raise _Richer
    other = (
        (_condition(otherwise[0], otherwise[1:], at_last, deeper - 1),)
        if otherwise
        else tuple(_pieces(at_last, deeper))
    )
    return Slot(_name(node.test), then=tuple(_pieces(node.body, deeper)), other=other)


def _name(node: nodes.Node) -> str:
    from jinja2 import nodes

    if not isinstance(node, nodes.Name) or node.name == _ITS_OWN:
        raise _Richer
    return node.name


def names_in(pieces: Pieces) -> Iterator[str]:
    """Yield the names that pieces take a value of, some more than once."""
    for piece in pieces:
        if isinstance(piece, Slot):
            yield piece.name
            yield from names_in((*(piece.then or ()), *piece.other))


def put_together(pieces: Pieces, words: Mapping[str, str], shown: Callable[[str], str]) -> Iterator[str]:
    """Yield the text of pieces; values come in as ``shown`` has them."""
    for piece in pieces:
        if isinstance(piece, str):
            yield piece
        elif piece.then is None:
            yield shown(words[piece.name])
        else:
            yield from put_together(piece.then if words[piece.name] else piece.other, words, shown)
