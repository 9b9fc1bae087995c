"""Write ``people.csv``, an invented campus: 2,000 telephones, 2,000 mailboxes, and what real lists are like.

Nobody is in it. Numbers end in 555-0100 to 555-0199, which North America keeps for fiction in every
area code, and mailboxes are under example.edu (RFC 2606). The same seed always writes the same bytes.

Run ``python demo/make_people.py`` to write the file again.
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterator
from pathlib import Path

PHONES = 2_000
EMAILS = 2_000

#: Answers STOP to everything; its carrier refuses further texts.
OPTED_OUT = "+14135550100"
#: A desk telephone.
LANDLINE = "+14135550101"
#: A mailbox that was closed.
BOUNCING = "closed.mailbox@example.edu"

#: Area codes the students brought along.
AREA_CODES = (
    "413 617 212 646 718 914 202 203 860 401 603 802 207 215 267 412 301 410 305 312 773 415 510 206 503"
)
HEADER = ("id", "name", "phone", "email", "language", "groups", "notes")
LANGUAGES = ("en",) * 17 + ("es",) * 2 + ("zh",)
FIRST = (
    "Ada Amir Ana Ben Bo Chen Chloe Dana Diego Ella Emil Fatima Finn Grace Hana Hugo Ines Ivan Jada Jonas "
    "Kai Kim Lea Liam Maya Milo Nina Noah Olga Omar Priya Quinn Rosa Sam Sofia Tariq Uma Vera Wei Yara Zoe"
)
LAST = (
    "Abbott Alvarez Baker Bishop Castro Chang Diaz Dubois Evans Farah Fischer Garcia Grant Hassan Hill Ito "
    "Jones Kaur Khan Lam Lopez Meyer Moore Nguyen Novak Okafor Ortiz Park Patel Quist Reyes Rossi Sato Silva "
    "Tran Usman Vega Walsh Xu Young Zimmer"
)
RESIDENT = 0.4  # share of students who live on campus
NOTATIONS = ("{0}{1}{2}", "({0}) {1}-{2}", "{0}-{1}-{2}", "+1 {0} {1} {2}", "+1{0}{1}{2}", "{0}.{1}.{2}")
Row = tuple[str, str, str, str, str, str, str]

#: Rows nobody can be reached by, or only half; the list keeps going after each.
AWKWARD: tuple[Row, ...] = (
    ("A0001", "Too Short", "555-0100", "too.short.only.mail@example.edu", "en", "students", ""),
    ("A0002", "Not A Number", "ask at the desk", "", "en", "staff", ""),
    ("A0003", "No Such Area", "(999) 555-0123", "", "en", "students", ""),
    ("A0004", "Spreadsheet", "4.13555E+09", "", "en", "students", "the number was lost when it was saved"),
    ("A0005", "Bad Mail", "", "bad.mail@example,edu", "en", "students", ""),
    ("A0006", "Two Mails", "", "one@example.edu; two@example.edu", "en", "students", ""),
    ("A0007", "No Address", "", "", "en", "students", "moved away"),
    ("A0008", "Placeholder", "n/a", "-", "en", "staff", ""),
    ("A0009", "Extension", "413-555-0150 x12", "", "en", "staff", ""),
)


def people(rng: random.Random) -> Iterator[Row]:
    """Yield every ordinary person: the special ones first, then the rest in a random order."""
    numbers = [f"{area}555{line:04d}" for area in AREA_CODES.split() for line in range(100, 200)]
    special = [OPTED_OUT.removeprefix("+1"), LANDLINE.removeprefix("+1")]
    others = [number for number in numbers if number not in special]
    rng.shuffle(others)
    first, last = FIRST.split(), LAST.split()
    chosen = special + others[: PHONES - len(special)]
    for place, number in enumerate(chosen):
        name = f"{rng.choice(first)} {rng.choice(last)}"
        notation = NOTATIONS[0] if place < len(special) else rng.choice(NOTATIONS)
        phone = notation.format(number[:3], number[3:6], number[6:])
        mail = BOUNCING if place == len(special) else f"{name.lower().replace(' ', '.')}{place}@example.edu"
        # One of the awkward rows still reaches somebody by mail: one mailbox fewer is needed here.
        mail = "" if place == len(special) + 1 else mail
        group = rng.choices(("students", "staff", "faculty"), (8, 2, 1))[0]
        groups = f"{group};residents" if group == "students" and rng.random() < RESIDENT else group
        yield (f"N{place:05d}", name, phone, mail, rng.choice(LANGUAGES), groups, "")


def rows(seed: int = 1969) -> Iterator[Row]:
    """Yield all rows, awkward ones strewn among the others."""
    rng = random.Random(seed)  # noqa: S311
    ordinary = list(people(rng))
    ordinary[40] = (*ordinary[40][:6], "two lines,\nand a comma")
    strewn = list(AWKWARD)
    # The same telephone and the same mailbox once more, written another way.
    again = ordinary[100]
    digits = "".join(filter(str.isdigit, again[2]))[-10:]
    strewn.append(
        ("A0010", again[1], f"+1 ({digits[:3]}) {digits[3:6]} {digits[6:]}", "", "en", "students", "")
    )
    local = ordinary[200][3].partition("@")[0]
    strewn.append(("A0011", ordinary[200][1], "", f" {local}@EXAMPLE.EDU ", "en", "students", ""))
    for place, row in enumerate(strewn):
        ordinary.insert(300 + 100 * place, row)
    return iter(ordinary)


def text() -> str:
    """Return the whole file."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(rows())
    return out.getvalue()


if __name__ == "__main__":
    Path(__file__).with_name("people.csv").write_bytes(text().encode())
