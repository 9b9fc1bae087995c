"""Pages for the file: HTML that loads nothing and runs nothing, and CSV that runs no formula.

Every text is escaped here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Final

#: A spreadsheet takes a cell that begins so for a formula.  OWASP, CSV Injection.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_STYLE: Final = (
    "body{font:1rem/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff;max-width:50rem;margin:2rem auto;"
    "padding:0 1rem}table{border-collapse:collapse;width:100%;margin:0 0 1.5rem}"
    "th,td{border:1px solid #767676;"
    "padding:.3rem .6rem;text-align:left;vertical-align:top}caption{text-align:left;font-weight:700;"
    "padding:.3rem 0}th{background:#f0f0f0}td.no{font-weight:700;color:#9b0000}"
    "svg{width:100%;height:auto}.bad{fill:#9b0000}.good{fill:#3a5f8a}"
    "@media print{body{margin:0;max-width:none}}"
)
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
#: Words that a reader must not overlook.
_LOUD: Final = frozenset({"failed", "FAILED", "MISSED"})


def document(title: str, parts: Iterable[str]) -> str:
    """Return a whole page; ``parts`` are made by the functions below."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{escape(title)}</h1>\n"
        + "\n".join(part for part in parts if part)
        + "\n</main>\n</body>\n</html>\n"
    )


def table(caption: str, head: Sequence[str] | None, rows: Sequence[Sequence[str]]) -> str:
    """Return a table, the first cell of each row its heading; nothing for no rows."""
    if not rows:
        return ""
    top = "".join(f'<th scope="col">{escape(word)}</th>' for word in head or ())
    lines = [f"<table>\n<caption>{escape(caption)}</caption>"]
    lines += [f"<thead><tr>{top}</tr></thead>"] if head else []
    return "\n".join([*lines, "<tbody>", *map(_line, rows), "</tbody>\n</table>"])


def _line(row: Sequence[str]) -> str:
    first, *rest = row
    cells = "".join(f"<td{' class=no' if cell in _LOUD else ''}>{escape(cell)}</td>" for cell in rest)
    return f'<tr><th scope="row">{escape(first)}</th>{cells}</tr>'


def listing(heading: str, items: Sequence[str]) -> str:
    """Return a heading and a list, or the word that there is nothing."""
    told = "".join(f"<li>{escape(item)}</li>" for item in items) or "<li>none recorded</li>"
    return f"<h2>{escape(heading)}</h2>\n<ul>{told}</ul>"


def sheet(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield rows as lines of CSV; what would be a formula becomes text."""
    import csv
    import io

    for row in rows:
        buffer = io.StringIO()
        csv.writer(buffer).writerow([_harmless(cell) for cell in row])
        yield buffer.getvalue()


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
