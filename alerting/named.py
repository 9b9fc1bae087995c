"""Named tuples that trust their annotations: they are checked before the program runs, not while it starts.

``typing``'s own compiles every annotation of every class again: 9 ms for the six hundred of a cold
``alert send``. A frozen dataclass, for which six functions are compiled, takes as long as sixteen of these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["NamedTuple", "Variant"]

if TYPE_CHECKING:
    from typing import Any, NamedTuple
    from typing import NamedTuple as Variant
else:
    from collections import namedtuple

    class _Making(type):
        """Makes a named tuple of every class that has such a base."""

        def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
            if not bases:
                return super().__new__(cls, name, bases, body)
            fields = body.get("__annotations__", {})
            defaults = [body.pop(field) for field in fields if field in body]
            made = namedtuple(name, fields, defaults=defaults, module=body["__module__"])  # noqa: PYI024 - see above
            methods = {word: told for word, told in vars(bases[0]).items() if callable(told)}
            for word, told in {**methods, **body}.items():
                setattr(made, word, told)
            return made

    class NamedTuple(metaclass=_Making):
        """Base of a class whose annotated names are its fields, as of ``typing.NamedTuple``."""

    class Variant(metaclass=_Making):
        """The same for one of several answers: it equals none of another class, whatever that holds."""

        def __eq__(self, other: object) -> bool:
            return type(self) is type(other) and tuple.__eq__(self, other)

        def __ne__(self, other: object) -> bool:
            return not self == other

        def __hash__(self) -> int:
            return hash((type(self), *self))
