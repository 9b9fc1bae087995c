"""Templates as they were read last: a file that has not changed is not parsed again.

YAML alone, which only the front matter needs, takes most of an interpreter's start to import.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alerting.config import shelf
from alerting.config.codec import Recorder, plain, revived

if TYPE_CHECKING:
    from alerting.rendering.template import Template

#: Raised when the form of what is kept changes.
_VERSION: Final = 2
#: What of this program shapes the result.
_FILES: Final = shelf.files_of(
    ("rendering", "model", "config/codec.py", "config/kept_templates.py", "digest.py", "named.py")
)


class KeptTemplates:
    """A shelf of templates in a state directory."""

    def __init__(self, state: Path) -> None:
        self._state = state

    def found(self, name: str, shown: str, raw: bytes) -> Template | None:
        """Return a template whose file has these bytes, or None where it has to be read."""
        try:
            template: Template = revived(
                shelf.read(self._place(name), _marks(shown, raw), "template"), Recorder()
            )
        except shelf.ODD:
            return None
        return template

    def keep(self, template: Template, raw: bytes) -> None:
        """Keep what a file of these bytes says, if its blocks hold no mistake: nobody looks again."""
        from alerting.rendering.compiled import compiled, mistakes

        # Whatever is wrong with it is told to who sends it. It may be another than the one looked for.
        with suppress(Exception):
            if not mistakes(template):
                blocks = {
                    name: block._replace(pieces=compiled(block).pieces)
                    for name, block in template.blocks.items()
                }
                sound = plain(template._replace(sound=True, blocks=blocks), Recorder())
                shelf.write(self._place(template.name), {**_marks(template.path, raw), "template": sound})

    def _place(self, name: str) -> Path:
        return self._state / f"template-{name}.json"


def _marks(shown: str, raw: bytes) -> dict[str, Any]:
    return {"by": shelf.program(_VERSION, _FILES), "asked": [shown, shelf.text_of(raw)]}
