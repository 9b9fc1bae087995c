"""Rooms stay small enough to hold in one's head."""

import ast
from pathlib import Path
from statistics import median

import pytest

HOUSE = Path(__file__).parents[2] / "alerting"


def sources():
    return sorted(HOUSE.rglob("*.py"))


def functions():
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield path, node, node.end_lineno - node.lineno + 1


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(HOUSE)))
def test_a_file_is_at_most_350_lines(path):
    assert len(path.read_text("utf-8").splitlines()) <= 350


def test_no_function_is_longer_than_60_lines():
    long = [
        f"{path.name}:{node.lineno} {node.name} ({size})" for path, node, size in functions() if size > 60
    ]
    assert not long


def test_the_median_function_is_short():
    assert median(size for _, _, size in functions()) <= 9


def test_no_room_is_called_utils_or_helpers():
    assert not [p for p in sources() if p.stem in {"utils", "util", "helpers", "misc", "common", "manager"}]


def test_every_public_function_and_class_has_a_docstring():
    bare = [
        f"{path.relative_to(HOUSE)}:{node.lineno} {node.name}"
        for path in sources()
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert not bare
