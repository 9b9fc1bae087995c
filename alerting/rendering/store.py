"""The folder of templates: what is there, and reading one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

from alerting.errors import Problem, TemplateProblem
from alerting.rendering.template import Template

_SUFFIXES: Final = (".md", ".j2")


class Kept(Protocol):
    """Where parsed templates outlive the command that parsed them."""

    def found(self, name: str, shown: str, raw: bytes) -> Template | None:
        """Return the template that a file of these bytes is, as kept; None where it has to be parsed."""
        ...

    def keep(self, template: Template, raw: bytes) -> None:
        """Keep what a file of these bytes says. It never raises for want of space or permission."""
        ...


class TemplateStore:
    """The templates of one directory, read when asked for; a file of the same bytes is parsed once.

    With ``kept``, once for all commands.
    """

    def __init__(self, directory: Path | str, *, kept: Kept | None = None) -> None:
        self._directory, self._kept = Path(directory), kept
        self._parsed: dict[Path, tuple[bytes, Template]] = {}

    def names(self) -> tuple[str, ...]:
        """Return every template's name, in order; nothing is read.

        Raises:
            TemplateProblem: there is no such directory.
        """
        return tuple(sorted({path.stem for path in self._files()}))

    def find(self, name: str) -> Template:
        """Return one template by its name (``tornado``), file name, or declared id (``W1``).

        Raises:
            TemplateProblem: there is none of that name, or its file has mistakes: all of them.
        """
        wanted = Path(name.strip()).name.lower()
        stem = wanted.removesuffix(".md").removesuffix(".j2")
        files = self._files()
        # A file called Shelter.md is looked at too: reading it says that it must be called shelter.md.
        paths = [path for path in files if path.stem == stem] or [
            path for path in files if path.stem.lower() == stem
        ]
        if len(paths) > 1:
            what = f"two files are called {stem}: {', '.join(p.name for p in paths)}"
            raise TemplateProblem(Problem(where=str(self._directory), what=what, fix="delete one"))
        if paths:
            return self._read(paths[0])
        return self._by_id(name.strip())

    def all(self) -> tuple[Template, ...]:
        """Return every template, in order of name.

        Raises:
            TemplateProblem: the mistakes of every file together.
        """
        problems: list[Problem] = []
        templates = []
        for path in self._files():
            try:
                templates.append(self._read(path))
            except TemplateProblem as error:
                problems.extend(error.problems)
        problems.extend(_shared_ids(templates))
        if problems:
            raise TemplateProblem(*problems)
        return tuple(templates)

    def _by_id(self, wanted: str) -> Template:
        known = []
        for template in self._readable():
            if template.id and template.id.lower() == wanted.lower():
                return template
            known.append(template.id)
        from alerting.rendering.suggest import suggestion

        names = [*self.names(), *(word.lower() for word in known if word)]
        raise TemplateProblem(
            Problem(
                where=str(self._directory),
                what=f'no template "{wanted}"',
                fix=suggestion(wanted, names) if names else "write one: alert templates new NAME",
            )
        )

    def _readable(self) -> Iterator[Template]:
        """Yield the templates without mistakes: another's mistakes must not hide the one asked for."""
        for path in self._files():
            try:
                yield self._read(path)
            except TemplateProblem:
                continue

    def _files(self) -> list[Path]:
        try:
            found = sorted(self._directory.iterdir())
        except OSError as error:
            what = f"cannot be listed ({error.strerror})"
            fix = "name the directory that holds the templates"
            raise TemplateProblem(Problem(where=str(self._directory), what=what, fix=fix)) from None
        return [
            p for p in found if p.suffix in _SUFFIXES and p.stem.lower() != "readme" and p.name[0] not in "._"
        ]

    def _read(self, path: Path) -> Template:
        shown = f"{self._directory.name}/{path.name}"
        if path.exists() and not (path.is_file() or path.is_dir()):
            # Reading a pipe waits for whoever writes into it: another template could not be found by its id.
            raise TemplateProblem(Problem(where=shown, what="is a pipe or a device", fix="put a file there"))
        try:
            raw = path.read_bytes()
            if path in self._parsed and self._parsed[path][0] == raw:
                return self._parsed[path][1]
            text = raw.decode("utf-8-sig")
        except OSError as error:
            raise TemplateProblem(Problem(where=shown, what=f"cannot be read ({error.strerror})")) from None
        except UnicodeDecodeError as error:
            line = raw[: error.start].count(b"\n") + 1
            what = "not UTF-8"
            raise TemplateProblem(
                Problem(where=f"{shown}:{line}", what=what, fix="save the file as UTF-8")
            ) from None
        template = self._kept.found(path.stem, shown, raw) if self._kept else None
        if template is None:
            template = self._read_anew(path.stem, shown, raw, text)
        self._parsed[path] = raw, template
        return template

    def _read_anew(self, name: str, shown: str, raw: bytes, text: str) -> Template:
        from alerting.rendering.parse import parse

        template = parse(text, name=name, path=shown)
        if self._kept:
            self._kept.keep(template, raw)
        return template


def _shared_ids(templates: list[Template]) -> Iterator[Problem]:
    seen: dict[str, Template] = {}
    for template in templates:
        first = seen.setdefault(template.id.lower(), template)
        if template.id and first is not template:
            what = f'"{template.id}" is also the id of {first.path}'
            yield Problem(where=f"{template.at('id')}: id", what=what, fix="give it another")
