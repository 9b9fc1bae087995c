"""Words of a command line that need no conversion, spared the library that converts.

typer hands every value to pydantic, whose import costs more than the rest of most commands. A text for a
text, a path for a path and a default that is already what it should be are taken as they are. Whatever
else there is, and whatever is wrong, goes typer's own way.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, get_args

#: What stands for "convert this" where nothing plain was found.
_CONVERT: Final = object()


def lighten(command: Any) -> Any:
    """Let a command, and the commands below it, take plain values as they are; return it."""
    listed = command.get_params

    def get_params(ctx: Any) -> list[Any]:
        return [_lightened(param) for param in listed(ctx)]

    # Of this one command, not of typer: what typer asks for a converter gets ours in front.
    command.get_params = get_params
    for below in getattr(command, "commands", {}).values():
        lighten(below)
    return command


def _lightened(param: Any) -> Any:
    ask = getattr(param, "get_runtime_param", None)
    if ask is not None and not isinstance(ask, _Front):
        param.get_runtime_param = _Front(ask)
    return param


class _Front:
    """Stands in front of what gives a parameter's converter, which is not made until it is needed."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        self._ask = ask

    def __call__(self) -> _Front:
        return self

    def coerce(self, value: Any, *, param: Any, ctx: Any) -> Any:
        """Return the value a command gets."""
        found = plain(value, param)
        if isinstance(found, str):
            _refuse_bytes(found, param)
        return self._ask().coerce(value, param=param, ctx=ctx) if found is _CONVERT else found


def plain(value: Any, param: Any) -> Any:
    """Return what typer would make of a value, where that takes no conversion."""
    told = param.type_descriptor
    if value is None:
        return () if param.multiple or param.nargs == -1 else None
    if told.parameter_info.parser is not None or told.is_choice:
        return _CONVERT
    if told.is_list:
        return list(value) if get_args(told.annotation)[0] is str and _texts(value) else _CONVERT
    if told.annotation is Path:
        return _path(value, told.parameter_info)
    # A number is looked at by typer unless it is the default: it may have bounds.
    same = type(value) is told.annotation and (told.annotation in (str, bool) or value == param.default)
    return value if same else _CONVERT


def _refuse_bytes(text: str, param: Any) -> None:
    """Refuse a word that holds what is no text here: it could be kept nowhere."""
    try:
        text.encode()
    except UnicodeEncodeError as wrong:
        from typer import BadParameter

        byte = os.fsencode(text[wrong.start])[0]
        what = f"it holds a byte that is no UTF-8 (0x{byte:02X}; is LANG a UTF-8 one?); write it without"
        raise BadParameter(what, param=param) from wrong


def _texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(type(word) is str for word in value)


def _path(value: Any, info: Any) -> Any:
    """Return a path nobody asked to look at, or one whose file may be read as typer wants it."""
    asked = (info.exists, info.resolve_path, info.writable, info.allow_dash, info.path_type)
    if any(asked) or not (info.file_okay and info.dir_okay) or not isinstance(value, str | Path):
        return _CONVERT
    if "\0" in str(value):
        return _CONVERT
    path = Path(value)
    return _CONVERT if info.readable and path.exists() and not os.access(path, os.R_OK) else path
