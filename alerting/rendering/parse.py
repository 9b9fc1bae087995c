"""From the text of a file to a template: the fences, the declarations, the blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from alerting.digest import text_digest
from alerting.errors import Problem, TemplateProblem
from alerting.model.alert import Status
from alerting.rendering.reader import Reader
from alerting.rendering.sanitise import refused
from alerting.rendering.suggest import suggestion
from alerting.rendering.template import BLOCKS, Block, Template

_STEM: Final = re.compile(r"[a-z0-9][a-z0-9-]*")
_MAX_BYTES: Final = 64 * 1024
_FENCE: Final = "---"
_TAG: Final = re.compile(r"\{%[-+]?\s*(?P<word>block|endblock)\b\s*(?P<name>\w*)[^%]*?[-+]?%\}")
_COMMENT: Final = re.compile(r"\{#.*?#\}", re.DOTALL)


def parse(text: str, *, name: str, path: str) -> Template:
    """Read a template from its text; ``path`` is what people are told.

    Raises:
        TemplateProblem: every mistake in it, each with its line.
    """
    text = text.replace("\r\n", "\n")
    problems = list(_unusable(text, name, path))
    if problems:
        raise TemplateProblem(*problems)
    # With it comes PyYAML, which takes 10 ms to import: only a template that is not kept is read at all.
    from alerting.rendering.frontmatter import read_front_matter

    front, body, body_line = _split(text)
    reader = Reader(path=path)
    matter = read_front_matter(front, reader)
    blocks = {block.name: block for block in _blocks(body, body_line, reader)}
    if not blocks:
        reader.wrong(body_line, "", "no text to send", "write the message below the second --- line")
    if found := reader.problems:
        raise TemplateProblem(*found)
    fields = dict(matter.fields)
    fields.setdefault("drill", fields.get("status", Status.ACTUAL) is not Status.ACTUAL)
    digest = text_digest(text)
    return Template(name=name, path=path, blocks=blocks, lines=matter.lines, digest=digest, **fields)


def is_name(name: str) -> bool:
    """Say whether a word can be a template's name: small letters, digits and hyphens."""
    return _STEM.fullmatch(name) is not None


def _unusable(text: str, name: str, path: str) -> Iterator[Problem]:
    """Yield what makes a file no template at all."""
    if not is_name(name):
        fix = "name it with small letters, digits and hyphens, as in gas-leak.md"
        yield Problem(where=path, what=f'"{name}" is not a template name', fix=fix)
    if len(text.encode()) > _MAX_BYTES:
        yield Problem(where=path, what="larger than 64 kB", fix="keep one message a file")
        return
    for number, line in enumerate(text.split("\n"), start=1):
        for character in refused(line):
            yield Problem(where=f"{path}:{number}", what=f"holds {character}", fix="delete it")
    if not text.startswith(f"{_FENCE}\n") or f"\n{_FENCE}\n" not in text[3:]:
        fix = "start with a line ---, then the declarations, then another line ---"
        yield Problem(where=f"{path}:1", what="no front matter", fix=fix)


def _split(text: str) -> tuple[str, str, int]:
    """Return the front matter, the body, and the line the body starts on."""
    head = len(_FENCE) + 1
    end = text.index(f"\n{_FENCE}\n", head - 1)
    front = text[head : max(end, head - 1) + 1]
    body_at = end + len(_FENCE) + 2
    # A block inside a comment is no block; its lines still count.
    body = _COMMENT.sub(lambda match: "\n" * match[0].count("\n"), text[body_at:])
    return front, body, text.count("\n", 0, body_at) + 1


def _blocks(body: str, line: int, reader: Reader) -> Iterator[Block]:
    """Yield the blocks of a body; a body without any is the message."""
    tags = list(_TAG.finditer(body))
    if not tags and body.strip():
        yield _block("message", body, line)
    opened: re.Match[str] | None = None
    seen: set[str] = set()
    outside = 0
    for tag in tags:
        at = line + body.count("\n", 0, tag.start())
        if tag["word"] == "block":
            _check_opening(tag, opened, seen, at, reader)
            _refuse_loose(body[outside : tag.start()], line + body.count("\n", 0, outside), reader)
            opened = tag
        elif opened is None:
            reader.wrong(at, "", "endblock without a block", "delete it")
        else:
            seen.add(opened["name"])
            inside = line + body.count("\n", 0, opened.end())
            yield _block(opened["name"], body[opened.end() : tag.start()], inside)
            opened = None
        outside = tag.end()
    if opened is not None:
        at = line + body.count("\n", 0, opened.start())
        reader.wrong(at, "", f"block {opened['name']} is never closed", "write {% endblock %} after it")
    elif tags:
        _refuse_loose(body[outside:], line + body.count("\n", 0, outside), reader)


def _check_opening(
    tag: re.Match[str], opened: re.Match[str] | None, seen: set[str], at: int, reader: Reader
) -> None:
    """Note what is wrong with the opening of a block, if anything."""
    name = tag["name"]
    if opened is not None:
        what = f"block {name} inside block {opened['name']}"
        reader.wrong(at, "", what, "write {% endblock %} before it")
    elif name not in BLOCKS:
        reader.wrong(at, "", f'no block is called "{name}"', suggestion(name, BLOCKS))
    elif name in seen:
        reader.wrong(at, "", f"block {name} is there twice", "delete one of them")


def _refuse_loose(between: str, line: int, reader: Reader) -> None:
    """Note text that stands outside every block: nobody would ever read it."""
    if between.strip():
        lost = len(between) - len(between.lstrip())
        what, fix = "text outside the blocks is never sent", "move it into a block, or delete it"
        reader.wrong(line + between.count("\n", 0, lost), "", what, fix)


def _block(name: str, source: str, line: int) -> Block:
    """Return a block without the blank lines around it."""
    lost = len(source) - len(source.lstrip())
    return Block(name=name, source=source.strip(), line=line + source.count("\n", 0, lost))
