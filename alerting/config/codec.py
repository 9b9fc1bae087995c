"""A checked configuration as plain JSON values, and back. What it cannot hold safely it refuses to hold."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, Literal

from alerting.secret import Secret

if TYPE_CHECKING:
    from alerting.channels.settings import SecretResolver


class KeptSettings(SimpleNamespace):
    """A channel's settings as they were checked: every field and property of its kind's model."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name} cannot be set: settings are frozen")


class Unkeepable(Exception):
    """Something that plain JSON cannot hold, or should not."""


class Recorder:
    """Resolves references to secrets, and remembers which secret came from which reference.

    Without a resolver there are no secrets: what holds one can be neither kept nor revived.
    """

    def __init__(self, inner: SecretResolver | None = None) -> None:
        self._inner = inner
        self._seen: dict[int, tuple[Secret, list[str]]] = {}

    def resolve(self, *, source: Literal["env", "file", "credential"], name: str, field: str) -> Secret:
        """Return the secret of a reference; raises what the resolver behind raises."""
        if self._inner is None:
            raise ValueError("a secret where there should be none")
        secret = self._inner.resolve(source=source, name=name, field=field)
        self._seen[id(secret)] = (secret, [source, name, field])
        return secret

    def reference(self, secret: Secret) -> list[str]:
        """Return where a secret came from; nothing for the empty secret that is a field's default."""
        if id(secret) in self._seen:
            return self._seen[id(secret)][1]
        if not secret.reveal():
            return []
        raise Unkeepable("a secret from nowhere")


def plain(value: Any, secrets: Recorder) -> Any:
    """Return a value as JSON can hold it: texts and numbers as they are, all else under its sort.

    Secrets become references.

    Raises:
        Unkeepable: there is a value of another sort.
    """
    match value:
        case Path() | timedelta() | Secret() | StrEnum():
            return _single(value, secrets)
        case None | bool() | int() | float() | str():
            return _exactly(value)
        case list() | tuple() | frozenset() if not _names(value):
            return {type(value).__name__: [plain(inner, secrets) for inner in value]}
        case Mapping():
            return {"dict": [[plain(name, secrets), plain(value[name], secrets)] for name in value]}
        case _:
            return _fields(value, secrets)


def _exactly(value: Any) -> Any:
    if value is None or type(value) in (str, int, float, bool):
        return value
    raise Unkeepable(type(value).__name__)  # a text with more to it would come back as a bare one


def _single(value: Path | timedelta | Secret | StrEnum, secrets: Recorder) -> Any:
    if isinstance(value, StrEnum):
        return {"word": [_name(type(value)), value.value]}
    if isinstance(value, Secret):
        return {"secret": secrets.reference(value)}
    if isinstance(value, timedelta):
        return {"span": [value.days, value.seconds, value.microseconds]}
    return {"path": str(value)}


def _fields(value: Any, secrets: Recorder) -> Any:
    if names := _names(value):
        told = {name: plain(getattr(value, name), secrets) for name in names}
        return {"of": _name(type(value)), "fields": told}
    return {"settings": {name: plain(getattr(value, name), secrets) for name in _answers(value)}}


def _names(of: Any) -> Collection[str]:
    """Return the names of the fields of a dataclass or a named tuple; none of anything else."""
    return getattr(of, "_fields", ()) or getattr(of, "__dataclass_fields__", ())


def _name(cls: type) -> str:
    if not cls.__module__.startswith("alerting."):
        raise Unkeepable(cls.__module__)
    return f"{cls.__module__}:{cls.__qualname__}"


def _answers(value: Any) -> list[str]:
    """Return the names a channel's settings answer to.

    Raises:
        Unkeepable: they are no settings of the house; those of others may answer to more than names.
    """
    from pydantic import BaseModel

    cls = type(value)
    if not (isinstance(value, BaseModel) and cls.__module__.startswith("alerting.channels.")):
        raise Unkeepable(cls.__module__)
    ours = [base for base in cls.__mro__ if base.__module__.startswith("alerting.")]
    properties = [name for base in ours for name, told in vars(base).items() if isinstance(told, property)]
    return [*cls.model_fields, *properties]


def revived(told: Any, secrets: Recorder) -> Any:
    """Return the value that ``plain`` made this of; secrets are looked up.

    Raises:
        ValueError, KeyError, TypeError, AttributeError, ImportError: it is nothing ``plain`` makes, or a
            secret is not there.
    """
    if not isinstance(told, dict):
        return told
    if "of" in told:
        fields = {name: revived(inner, secrets) for name, inner in told["fields"].items()}
        return _class(told["of"])(**fields)
    [(sort, held)] = told.items()
    return _SORTS[sort](held, secrets)


def _secret(held: Any, secrets: Recorder) -> Secret:
    return secrets.resolve(source=held[0], name=held[1], field=held[2]) if held else Secret("")


def _settings(held: Any, secrets: Recorder) -> KeptSettings:
    return KeptSettings(**{name: revived(inner, secrets) for name, inner in held.items()})


_SORTS: Final[Mapping[str, Callable[[Any, Recorder], Any]]] = {
    "path": lambda held, _: Path(held),
    "span": lambda held, _: timedelta(*held),
    "secret": _secret,
    "list": lambda held, secrets: [revived(inner, secrets) for inner in held],
    "tuple": lambda held, secrets: tuple(revived(inner, secrets) for inner in held),
    "dict": lambda held, secrets: {revived(name, secrets): revived(inner, secrets) for name, inner in held},
    "frozenset": lambda held, secrets: frozenset(revived(inner, secrets) for inner in held),
    "word": lambda held, _: _class(held[0])(held[1]),
    "settings": _settings,
}


def _class(name: str) -> type:
    """Return a dataclass, a named tuple or a list of words of this program by its name.

    Raises:
        ValueError: it is none.
    """
    from importlib import import_module

    module, _, word = name.partition(":")
    found = getattr(import_module(module), word) if module.startswith("alerting.") else None
    if not (isinstance(found, type) and (_names(found) or issubclass(found, StrEnum))):
        raise ValueError(name)
    return found
