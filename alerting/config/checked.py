"""One part of the file against its model, with problems where they stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from alerting.config.words import sentence

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from alerting.config.lines import Document, Where

Model = TypeVar("Model", bound=BaseModel)
_SHOWN = 40  # characters of a field's name


def checked(
    model: type[Model],
    value: Mapping[str, Any],
    document: Document,
    *,
    where: Where = (),
    label: str = "",
    context: Mapping[str, Any] | None = None,
) -> Model | None:
    """Return the model of a value, or None and add what is wrong to the document's problems.

    ``where`` leads to the value; ``label`` is what people call it, empty for the file itself.
    """
    try:
        return model.model_validate(value, context=dict(context or {}))
    except ValidationError as wrong:
        for inner, error in _by_place(wrong, document, where).items():
            text = document.texts.get((*where, *inner))
            if error["loc"] and error["loc"][-1] == "[key]":
                text = str(error["loc"][-2])
            # A union's own steps are no part of the way in the file.
            error["loc"] = inner
            what, fix = sentence(error, model=_around(model, inner), text=text)
            full = (*where, *inner)
            document.problems.append(document.problem(full, _label(label, inner), what, fix))
        return None


def _by_place(wrong: ValidationError, document: Document, where: Where) -> dict[Where, ErrorDetails]:
    """Return one error a place, our own words first: a union complains once for each of its members."""
    found: dict[Where, ErrorDetails] = {}
    for error in wrong.errors(include_url=False, include_input=False):
        inner = tuple(error["loc"])
        if error["type"] != "missing":
            while inner and (*where, *inner) not in document.lines:
                inner = inner[:-1]
        if inner not in found or error["type"] == "refused":
            found[inner] = error
    return found


def _around(model: type[BaseModel], inner: Where) -> type[BaseModel]:
    """Return the model that holds the field at the end of a way, or the last one known."""
    for step in inner[:-1]:
        names = {field.alias or name: field for name, field in model.model_fields.items()}
        if step in names:
            model = _model_in(names[str(step)].annotation) or model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def _label(label: str, inner: Where) -> str:
    text = label
    for step in inner:
        if isinstance(step, int):
            text += f"[{step + 1}]"
        else:
            text += f".{step[:_SHOWN]}" if text else step[:_SHOWN]
    return text
