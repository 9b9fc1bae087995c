"""Print the digests of the templates in a folder: ``python -m alerting.authority.starter templates``."""

from __future__ import annotations

import sys

from alerting.rendering.store import TemplateStore


def lines(directory: str) -> list[str]:
    """Return a line for each template of a folder, in order of name: its digest, two blanks, its name."""
    return [f"{template.digest}  {template.name}" for template in TemplateStore(directory).all()]


if __name__ == "__main__":
    sys.stdout.write("\n".join(lines(sys.argv[1])) + "\n")
