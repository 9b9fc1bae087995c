"""The JSON Schema of the file, so that editors complete and check it while it is written.

``docs/channels.schema.json`` holds it; ``python -m alerting.config.schema`` prints it.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Final

from alerting.channels.registry import BUILT_IN, Registry
from alerting.config.sections import File

_REF: Final = "#/$defs/{model}"


def schema() -> dict[str, Any]:
    """Return the schema, with the kinds of the house; other kinds are let pass."""
    whole = File.model_json_schema(ref_template=_REF)
    definitions: dict[str, Any] = whole["$defs"]
    branches = []
    for kind in BUILT_IN:
        model = Registry(lambda: ()).settings_class(kind)
        part = model.model_json_schema(ref_template=_REF, by_alias=True)
        definitions.update(part.pop("$defs", {}))
        definitions[model.__name__] = _for_editors(part)
        branches.append(
            {
                "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
                "then": {"$ref": _REF.format(model=model.__name__)},
            }
        )
    whole["properties"]["channels"]["items"] = {
        "type": "object",
        "required": ["name", "kind"],
        "properties": {"kind": {"anyOf": [{"enum": list(BUILT_IN)}, {"type": "string"}]}},
        "allOf": branches,
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "channels.yaml",
        "description": "The configuration of the campus emergency broadcaster.",
        **_draft_7({key: whole[key] for key in ("type", "required", "properties", "additionalProperties")}),
        "$defs": {name: _draft_7(definitions[name]) for name in sorted(definitions)},
    }


def text() -> str:
    """Return the schema as the file holds it."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _for_editors(part: dict[str, Any]) -> dict[str, Any]:
    """Ask for a channel's kind even where the model has a default: the file has to name it."""
    required = [*part.get("required", []), "kind"]
    return {**part, "required": sorted(set(required), key=list(part["properties"]).index)}


def _draft_7(node: Any) -> Any:
    """Drop what only confuses an editor: titles made of field names."""
    if isinstance(node, list):
        return [_draft_7(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _draft_7(value) for key, value in node.items() if key != "title" or not isinstance(value, str)
    }


if __name__ == "__main__":
    sys.stdout.write(text())
