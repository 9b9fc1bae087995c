"""Blocks turned into code: the small language a template may use, and nothing outside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

from alerting.errors import Problem
from alerting.named import NamedTuple
from alerting.rendering.leftover import denies_drill, leftover
from alerting.rendering.markup import text_of
from alerting.rendering.pieces import Pieces, names_in, pieces_of, put_together
from alerting.rendering.suggest import suggestion
from alerting.rendering.template import CORE_NAMES, Block, Template

if TYPE_CHECKING:
    import jinja2
    from jinja2 import nodes
    from jinja2.sandbox import SandboxedEnvironment

_FILTERS: Final = ("capitalize", "default", "lower", "title", "trim", "upper")
#: Everything a warning needs: words, ``{{ name }}``, ``{% if %}``, ``{% for x in ["a", "b"] %}``. No calls,
#: no attributes, no arithmetic: what cannot be written cannot run away.
_LANGUAGE: Final = """
Template Output TemplateData Name Const If CondExpr Compare Operand And Or Not Filter Concat For List Tuple
"""
_ALLOWED: Final = frozenset(_LANGUAGE.split())
_WORDS: Final = {
    "Include": "include", "Import": "import", "FromImport": "import", "Extends": "extends",
    "Call": "a call", "Getattr": "a dot inside {{ }}", "Getitem": "brackets inside {{ }}", "Macro": "macro",
    "Assign": "set", "AssignBlock": "set", "Test": "is", "Mul": "*", "Add": "+", "Pow": "**", "Mod": "%",
}  # fmt: skip
_CODE: Final = r"(?s:\{[{%].*?[%}]\})"
_MAX_OUTPUT: Final = 64 * 1024


class Compiled(NamedTuple):
    """One block as code, the names it uses with their lines, and what may not be in it."""

    block: Block
    template: jinja2.Template | None
    names: Mapping[str, int]
    problems: tuple[tuple[int, str, str], ...]  #: (line, what, fix)
    pieces: Pieces | None = None

    def fill(self, words: Mapping[str, str]) -> str:
        """Return the block with its names replaced, cut off above 64 kB.

        Raises:
            OverflowError: it would be longer.
        """
        said, size = [], 0
        for text in self._texts(words):
            size += len(text)
            if size > _MAX_OUTPUT:
                raise OverflowError
            said.append(text)
        return "".join(said)

    def _texts(self, words: Mapping[str, str]) -> Iterator[str]:
        if self.template is not None:
            return self.template.generate(words)
        assert self.pieces is not None
        return put_together(self.pieces, words, _escaped() if self.block.name == "email_html" else str)


@cache
def _environment(*, html: bool) -> SandboxedEnvironment:
    """Build the sandbox; Jinja2 takes 40 ms to import, so only what it has to read or fill pays for it."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    made = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=html, trim_blocks=True, lstrip_blocks=True, loader=None
    )
    made.filters = {name: made.filters[name] for name in _FILTERS}
    made.tests = {}
    made.globals = {}
    return made


def _escaped() -> Callable[[str], str]:
    """Return what Jinja2 shows a value with in a page."""
    from markupsafe import escape

    return escape


def ready(block: Block) -> Compiled:
    """Return a block to be filled: in pieces where that was looked at before, otherwise compiled."""
    if block.pieces is None:
        return compiled(block)
    names = dict.fromkeys(names_in(block.pieces), block.line)
    return Compiled(block=block, template=None, names=names, problems=(), pieces=block.pieces)


@lru_cache(maxsize=256)
def compiled(block: Block) -> Compiled:
    """Parse, check and compile one block; the same block is compiled once."""
    from jinja2 import TemplateError, TemplateSyntaxError

    environment = _environment(html=block.name == "email_html")
    try:
        tree = environment.parse(block.source)
        problems = tuple(_outside(tree, block))
        pieces = None if problems else pieces_of(tree)
        template = None if problems else environment.from_string(tree)
        names = {} if problems else dict(_names(tree, block))
    except TemplateSyntaxError as error:
        problems = ((block.line + error.lineno - 1, error.message or "cannot be read", "correct it"),)
        template, names, pieces = None, {}, None
    except (TemplateError, RecursionError, ValueError) as error:
        problems = ((block.line, f"cannot be read ({type(error).__name__})", "write it more simply"),)
        template, names, pieces = None, {}, None
    return Compiled(block=block, template=template, names=names, problems=problems, pieces=pieces)


def _outside(tree: nodes.Template, block: Block) -> Iterator[tuple[int, str, str]]:
    """Yield what is not part of the language."""
    from jinja2 import nodes

    for node in tree.find_all(nodes.Node):
        kind = type(node).__name__
        line = block.line + (node.lineno or 1) - 1
        if kind not in _ALLOWED:
            yield (
                line,
                f"{_WORDS.get(kind, kind)} may not be used",
                "write words, {{ name }} and {% if name %}",
            )
        elif isinstance(node, nodes.Filter) and node.name not in _FILTERS:
            yield line, f'no filter is called "{node.name}"', suggestion(node.name, _FILTERS)
        elif isinstance(node, nodes.For):
            yield from _wrong_loop(node, line)


def _wrong_loop(loop: nodes.For, line: int) -> Iterator[tuple[int, str, str]]:
    from jinja2 import nodes

    if not isinstance(loop.iter, nodes.List | nodes.Tuple):
        yield line, "a loop over something that is no list", 'write {% for x in ["one", "two"] %}'
    if loop.recursive or any(isinstance(n, nodes.For) or n.find(nodes.For) for n in loop.body):
        yield line, "a loop inside a loop", "write the lines out"


def _names(tree: nodes.Template, block: Block) -> Iterator[tuple[str, int]]:
    """Yield the names a block takes from outside, with the line of the first use of each."""
    from jinja2 import meta, nodes

    free = meta.find_undeclared_variables(tree)
    seen = set()
    for node in tree.find_all(nodes.Name):
        if node.name in free and node.name not in seen:
            seen.add(node.name)
            yield node.name, block.line + (node.lineno or 1) - 1


def mistakes(template: Template) -> list[Problem]:
    """Return everything in a template's blocks that keeps it from being sent."""
    problems = []
    known = (*template.variables, *CORE_NAMES)
    for block in template.blocks.values():
        code = compiled(block)
        found = [*code.problems, *_unsaid(block)]
        for name, line in code.names.items():
            if name not in known:
                found.append((line, f"{{{{ {name} }}}} is not declared", suggestion(name, known)))
        problems += told(template, block, found)
    return problems


def told(template: Template, block: Block, found: Iterable[tuple[int, str, str]]) -> list[Problem]:
    """Return what was found in a block, each with its place in the file."""
    return [Problem(where=f"{template.path}:{n}: {block.name}", what=w, fix=f) for n, w, f in found]


def _unsaid(block: Block) -> Iterator[tuple[int, str, str]]:
    """Yield leftovers and denials in the words of a block."""
    # What stands in an attribute is no text of the page, and may be shown all the same.
    html = block.name == "email_html"
    if denies_drill(block.source) or (html and denies_drill(text_of(block.source))):
        yield (
            block.line,
            "says that it is no drill or no test",
            "leave that out: the program says which it is",
        )
    if html:
        return
    words = re.sub(_CODE, lambda match: "\n" * match[0].count("\n"), block.source)
    for number, line in enumerate(words.split("\n"), start=block.line):
        if found := leftover(line):
            yield number, f'"{found}" still has to be filled in', "write the words, or declare a variable"
