import json
import re
from pathlib import Path

import pytest

from alerting.channels.registry import BUILT_IN, Registry
from alerting.config.lines import read
from alerting.config.schema import schema, text
from alerting.config.words import fields

ROOT = Path(__file__).parents[2]
KEYWORDS = {
    "$defs", "$ref", "$schema", "additionalProperties", "allOf", "anyOf", "const", "default", "description", "enum",
    "exclusiveMinimum", "format", "if", "items", "maxItems", "maxLength", "maximum", "minItems", "minLength",
    "minimum", "oneOf", "pattern", "patternProperties", "properties", "propertyNames", "required", "then", "title",
    "type",
}  # fmt: skip


@pytest.fixture(scope="module")
def whole():
    return schema()


def test_the_schema_in_docs_is_what_the_models_say():
    assert (ROOT / "docs" / "channels.schema.json").read_text() == text(), (
        "run: python -m alerting.config.schema > docs/channels.schema.json"
    )


def test_the_first_line_of_the_shipped_file_leads_editors_to_the_schema():
    first = (ROOT / "channels.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=docs/channels.schema.json"


def test_every_field_of_every_kind_is_in_the_schema_with_words_for_people(whole):
    for kind in BUILT_IN:
        model = Registry().settings_class(kind)
        properties = whole["$defs"][model.__name__]["properties"]
        assert list(properties) == fields(model)
        silent = [
            name for name, field in properties.items() if name != "kind" and not field.get("description")
        ]
        assert not silent, (kind, silent)


def test_the_shipped_file_satisfies_the_schema(whole):
    data = read((ROOT / "channels.yaml").read_bytes(), "channels.yaml").data
    assert list(broken(data, whole, whole)) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("version: 1", "version: 2"),
        ("    page:", "    pgae:"),
        ("{env: X_CONSUMER_KEY}", "inline"),
        ("tls: starttls", "tls: maybe"),
        ("rate_per_s: 100\n    in_flight: 50", "in_flight: 0"),
        ("kind: facebook\n", "enabled: true\n"),
        ("  source: NSU ALERT", "  # none"),
        ("  everyone:\n", "  Every One:\n"),
    ],
)
def test_the_schema_finds_what_an_editor_should_underline(whole, old, new):
    text = (ROOT / "channels.yaml").read_text()
    assert text.count(old) == 1
    assert list(broken(read(text.replace(old, new).encode(), "c.yaml").data, whole, whole))


def test_the_schema_is_json_and_speaks_of_nothing_this_test_cannot_check(whole):
    assert json.loads(text()) == whole
    assert keywords(whole) <= KEYWORDS


def keywords(node, *, named=False):
    """Collect the words of a schema; below ``named`` the keys are names of fields."""
    found = set()
    for key, value in node.items():
        found |= set() if named else {key}
        inner = value if isinstance(value, list) else [value]
        for part in inner:
            if isinstance(part, dict) and key not in ("default", "const"):
                found |= keywords(
                    part, named=not named and key in ("properties", "$defs", "patternProperties")
                )
    return found


def broken(value, node, whole, where=""):
    """Yield the places where a value breaks a schema: as much of draft 7 as ours needs."""
    if "$ref" in node:
        yield from broken(value, whole["$defs"][node["$ref"].rpartition("/")[2]], whole, where)
        return
    for part in node.get("allOf", []):
        yield from broken(value, part, whole, where)
    for word in ("anyOf", "oneOf"):
        if word in node and all(list(broken(value, part, whole)) for part in node[word]):
            yield where
    if "if" in node and not list(broken(value, node["if"], whole)):
        yield from broken(value, node["then"], whole, where)
    yield from {"object": broken_object, "array": broken_array}.get(node.get("type", ""), broken_scalar)(
        value, node, whole, where
    )


def broken_object(value, node, whole, where):
    if not isinstance(value, dict):
        yield where
        return
    yield from (f"{where}.{name}" for name in node.get("required", []) if name not in value)
    rest = node.get("additionalProperties", {})
    names = node.get("propertyNames", {}) or {"pattern": "|".join(node.get("patternProperties", {"": ""}))}
    rest = next(iter(node.get("patternProperties", {}).values()), rest)
    for name, inner in value.items():
        if name in node.get("properties", {}):
            yield from broken(inner, node["properties"][name], whole, f"{where}.{name}")
        elif rest is False or not re.search(names.get("pattern", ""), name):
            yield f"{where}.{name}"
        else:
            yield from broken(inner, rest, whole, f"{where}.{name}")


def broken_array(value, node, whole, where):
    if not isinstance(value, list) or len(value) < node.get("minItems", 0):
        yield where
        return
    for index, inner in enumerate(value):
        yield from broken(inner, node["items"], whole, f"{where}[{index}]")


def broken_scalar(value, node, whole, where):
    if isinstance(value, dict) and ("properties" in node or "required" in node):
        yield from broken_object(value, {**node, "type": "object"}, whole, where)
        return
    if "type" not in node and "enum" not in node and "const" not in node:
        return
    if isinstance(value, dict | list):
        yield where
        return
    plain = {"integer": int, "number": float, "boolean": lambda word: word == "true"}.get(
        node.get("type"), str
    )
    try:
        read_as = plain(value) if value is not None else None
    except ValueError:
        yield where
        return
    if node.get("type") == "null":
        ok = value is None
    else:
        ok = value is not None and re.search(node.get("pattern", ""), value) is not None
    allowed = node.get("enum", [node["const"]] if "const" in node else [read_as])
    ok = ok and read_as in allowed and node.get("minimum", read_as) <= read_as <= node.get("maximum", read_as)
    if not ok:
        yield where
