"""Named tuples that trust their annotations: they are checked before the program runs, not while it starts.

``typing``'s own compiles every annotation of every class again, ``collections``' a function of each: 9 and 8
ms for the hundred of a cold ``alert send``. Here a class takes its function from another with as many
fields, and gives it the names of its own. A frozen dataclass, for which six are compiled, takes as long as
thirty of these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["NamedTuple", "Variant"]

if TYPE_CHECKING:
    from typing import Any, NamedTuple
    from typing import NamedTuple as Variant
else:
    from collections import namedtuple
    from types import FunctionType

    #: What reads a field by its place, as the standard library's named tuples have it.
    _Getter = type(vars(namedtuple("_One", "it"))["it"])  # noqa: PYI024 - see above

    _new = tuple.__new__
    #: What makes a tuple of so many values. Most have as few as these, which are compiled already.
    _MAKERS = (
        lambda _cls: _new(_cls, ()),
        lambda _cls, a: _new(_cls, (a,)),
        lambda _cls, a, b: _new(_cls, (a, b)),
        lambda _cls, a, b, c: _new(_cls, (a, b, c)),
        lambda _cls, a, b, c, d: _new(_cls, (a, b, c, d)),
        lambda _cls, a, b, c, d, e: _new(_cls, (a, b, c, d, e)),
        lambda _cls, a, b, c, d, e, f: _new(_cls, (a, b, c, d, e, f)),
        lambda _cls, a, b, c, d, e, f, g: _new(_cls, (a, b, c, d, e, f, g)),
        lambda _cls, a, b, c, d, e, f, g, h: _new(_cls, (a, b, c, d, e, f, g, h)),
    )

    def _maker(width: int) -> FunctionType:
        """Return what makes a tuple of as many values, without names of its own for them."""
        if width < len(_MAKERS):
            return _MAKERS[width]
        values = "".join(f"_{place}, " for place in range(width))
        return eval(f"lambda _cls, {values}: _new(_cls, ({values}))", {"_new": _new})  # noqa: S307 - ours

    class _Tuple(tuple):
        """What all of them can do, as the standard library's."""

        __slots__ = ()

        @classmethod
        def _make(cls, values: Any) -> Any:
            made = tuple.__new__(cls, values)
            if len(made) != len(cls._fields):
                raise TypeError(f"Expected {len(cls._fields)} arguments, got {len(made)}")
            return made

        def _replace(self, /, **other: Any) -> Any:
            made = self._make(map(other.pop, self._fields, self))
            if other:
                raise ValueError(f"Got unexpected field names: {list(other)!r}")
            return made

        def _asdict(self) -> dict[str, Any]:
            return dict(zip(self._fields, self, strict=True))

        def __getnewargs__(self) -> tuple[Any, ...]:
            return tuple(self)

        def __repr__(self) -> str:
            told = ", ".join(f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
            return f"{type(self).__name__}({told})"

    class _Variant(_Tuple):
        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            return type(self) is type(other) and tuple.__eq__(self, other)

        def __ne__(self, other: object) -> bool:
            return not self == other

        def __hash__(self) -> int:
            return hash((type(self), *self))

    class _Making(type):
        """Makes a named tuple of every class that has such a base."""

        def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
            if not bases:
                return super().__new__(cls, name, bases, body)
            fields = tuple(body.get("__annotations__", ()))
            defaults = {field: body.pop(field) for field in fields if field in body}
            maker = _maker(len(fields))
            code = maker.__code__.replace(co_varnames=("_cls", *fields))
            new = FunctionType(code, maker.__globals__, "__new__", tuple(defaults.values()))
            new.__qualname__ = f"{body['__qualname__']}.__new__"
            told = {"_fields": fields, "_field_defaults": defaults, "__match_args__": fields}
            getters = {
                field: _Getter(place, f"Alias for field number {place}") for place, field in enumerate(fields)
            }
            body = {**told, "__new__": new, "__slots__": (), **getters, **body}
            return type(name, (bases[0].kind,), body)

    class NamedTuple(metaclass=_Making):
        """Base of a class whose annotated names are its fields, as of ``typing.NamedTuple``."""

        kind = _Tuple

    class Variant(metaclass=_Making):
        """The same for one of several answers: it equals none of another class, whatever that holds."""

        kind = _Variant
