"""Reading plain data field by field, with errors that name the field and say what to write."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

_MISSING: Final = object()


class ScriptError(ValueError):
    """The fault script cannot be read; the message says which field and what to write."""


class Fields:
    """One JSON object being read; `done()` complains about whatever nobody asked for."""

    def __init__(self, data: object, where: str) -> None:
        if not isinstance(data, Mapping):
            raise ScriptError(f"{where or 'the script'}: {_shown(data)} is not an object; write {{...}}")
        self._data = cast("Mapping[str, Any]", data)
        self._where = where
        self._asked: set[str] = set()

    def wrong(self, name: str, what: str, write: str) -> ScriptError:
        """An error for one field: where, what, and what to write instead."""
        return ScriptError(f"{self._path(name)}: {what}; write {write}")

    def has(self, name: str) -> bool:
        """Whether the field was given."""
        return name in self._data

    def take(self, name: str, default: object = None) -> Any:
        """The raw value."""
        self._asked.add(name)
        return self._data.get(name, default)

    def names(self) -> list[str]:
        """Every field of a free-form object."""
        return [str(name) for name in self._data]

    def text(self, name: str, default: str) -> str:
        """A string."""
        value = self.take(name, default)
        if not isinstance(value, str):
            raise self.wrong(name, f"{_shown(value)} is not text", "a string")
        return value

    def texts(self, name: str) -> list[str]:
        """A string or a list of them."""
        value = self.take(name, [])
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(isinstance(entry, str) for entry in listed):
            raise self.wrong(name, f"{_shown(value)} is not text", "a string or a list of strings")
        return listed

    def whole(self, name: str, default: int = 0, *, least: int = 0, most: int | None = None) -> int:
        """A whole number."""
        value = self.take(name, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.wrong(name, f"{_shown(value)} is not a whole number", f"a number from {least}")
        if value < least or (most is not None and value > most):
            raise self.wrong(name, f"{value} is out of range", f"a number from {least} to {most or 'any'}")
        return value

    def wholes(self, name: str) -> list[int]:
        """A whole number from 1, or a list of them."""
        value = self.take(name, [])
        listed = value if isinstance(value, list) else [value]
        for entry in listed:
            if not isinstance(entry, int) or isinstance(entry, bool) or entry < 1:
                raise self.wrong(name, f"{_shown(entry)} is not a position", "1 for the first, or [1, 3]")
        return listed

    def number(self, name: str, default: float, *, most: float) -> float:
        """A number from 0."""
        value = self.take(name, default)
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise self.wrong(name, f"{_shown(value)} is not a number", f"a number from 0 to {most:g}")
        if not 0 <= value <= most:
            raise self.wrong(name, f"{value} is out of range", f"a number from 0 to {most:g}")
        return float(value)

    def flag(self, name: str, *, default: bool) -> bool:
        """True or false."""
        value = self.take(name, default)
        if not isinstance(value, bool):
            raise self.wrong(name, f"{_shown(value)} is not a switch", "true or false")
        return value

    def choice(self, name: str, choices: Sequence[str], default: str) -> str:
        """One of a few words; with an empty default the field is needed."""
        value = self.take(name, default or _MISSING)
        if value is _MISSING:
            raise self.wrong(name, "is missing", f"one of {', '.join(choices)}")
        if not isinstance(value, str) or value not in choices:
            raise self.wrong(name, f"{_shown(value)} is not known", f"one of {', '.join(choices)}")
        return value

    def status(self, name: str, default: int, *, needed: bool) -> int:
        """An HTTP status or an SMTP reply code."""
        if needed and not self.has(name):
            raise self.wrong(name, "is missing", "a status such as 503")
        value = self.take(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 200 <= value <= 599:  # noqa: PLR2004
            raise self.wrong(name, f"{_shown(value)} is not a status", "a number from 200 to 599")
        return value

    def code(self, name: str, words: Mapping[str, int]) -> int:
        """One of a few words, or the provider's own code."""
        value = self.take(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if not isinstance(value, str) or value not in words:
            raise self.wrong(name, f"{_shown(value)} is not known", f"a code or one of {', '.join(words)}")
        return words[value]

    def headers(self, name: str) -> dict[str, str | None]:
        """Header names to values; null takes a header away."""
        value = self.take(name, {})
        if not isinstance(value, Mapping):
            raise self.wrong(name, f"{_shown(value)} is not an object", '{"Retry-After": "3"}')
        for key, entry in value.items():
            if entry is not None and (not isinstance(entry, str) or not f"{key}{entry}".isprintable()):
                raise self.wrong(f"{name}.{key}", f"{_shown(entry)} is not a header", "one line of text")
        return dict(value)

    def sub(self, name: str, *, shorthand: str = "", needed: bool = False) -> "Fields":
        """An object within; a bare string may stand for `{shorthand: string}`."""
        if needed and not self.has(name):
            raise self.wrong(name, "is missing", f'{{"{shorthand}": ...}}')
        value = self.take(name, {})
        if shorthand and isinstance(value, str):
            value = {shorthand: value}
        return Fields(value, self._path(name))

    def entries(self, name: str) -> list[object]:
        """A list."""
        value = self.take(name, [])
        if not isinstance(value, list):
            raise self.wrong(name, f"{_shown(value)} is not a list", "[...]")
        return value

    def done(self) -> None:
        """Refuse fields that nobody asked for: a misspelt rule would silently do nothing."""
        for name in self._data:
            if name not in self._asked:
                known = ", ".join(sorted(self._asked))
                raise self.wrong(str(name), "is not a field", f"one of {known}")

    def _path(self, name: str) -> str:
        return f"{self._where}.{name}" if self._where else name


def _shown(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)[:60]
