import random
import re
from pathlib import Path

import pytest

from alerting.config import Config, load
from alerting.errors import ConfigProblem

ROOT = Path(__file__).parents[2]
SHIPPED = (ROOT / "channels.yaml").read_text()
PIECES = (
    "", " ", "  ", "\t", ":", "- ", "#", "'", '"', "{", "}", "[", "]", "*a", "&a ", "!x ", "|", ">", "%", "@", "\\",
    "null", "~", "true", "-1", "0", "1e999", "9" * 30, ".nan", "\0", "\u2028", "é", "\ud7ff", "<<: ", "? ", "---\n",
    "...\n", "x" * 5_000, "\n", "\r", "{env: A}", "{file: /}", "[[[[[[", "- - - -", "a: b", "channels", "name: x\n",
    "kind: x\n", "kind: email.smtp\n", "../..", "\uff21",
)  # fmt: skip


def mutated(rng: random.Random) -> bytes:
    """The shipped file after one to four strokes of bad luck."""
    text = SHIPPED
    for _ in range(rng.randint(1, 4)):
        text = rng.choice((exchanged, inserted, cut, moved, doubled, revalued))(text, rng)
    raw = text.encode()
    if rng.random() < 0.1:
        at = rng.randrange(len(raw) + 1)
        raw = raw[:at] + bytes([rng.randrange(256)]) + raw[at:]
    return raw


def exchanged(text: str, rng: random.Random) -> str:
    words = re.findall(r"[\w.{}-]+", text) or [""]
    return text.replace(rng.choice(words), rng.choice([*words, *PIECES]), rng.choice((1, 1, -1)))


def inserted(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text) + 1)
    return text[:at] + rng.choice(PIECES) + text[at:]


def cut(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text) + 1)
    return text[:at] + text[at + rng.choice((1, 10, 100, 10_000)) :]


def moved(text: str, rng: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    rng.shuffle(lines) if rng.random() < 0.1 else lines.insert(
        rng.randrange(len(lines) + 1), lines.pop(rng.randrange(len(lines))) if lines else ""
    )
    return "".join(lines)


def doubled(text: str, rng: random.Random) -> str:
    lines = text.splitlines(keepends=True) or [""]
    start = rng.randrange(len(lines))
    part = lines[start : start + rng.choice((1, 3, 10))]
    return "".join(lines[:start] + part + lines[start:])


def revalued(text: str, rng: random.Random) -> str:
    values = list(re.finditer(r"(?<=: )\S[^\n#]*", text))
    if not values:
        return text
    value = rng.choice(values)
    return text[: value.start()] + rng.choice(PIECES) + text[value.end() :]


@pytest.mark.parametrize("part", range(5))
def test_a_damaged_file_gives_a_config_or_problems_that_all_have_a_line(part, tmp_path):
    path = tmp_path / "channels.yaml"
    told = 0
    for seed in range(part * 120, part * 120 + 120):
        raw = mutated(random.Random(seed))
        path.write_bytes(raw)
        lines = raw.count(b"\n") + raw.count(b"\r") + 1
        try:
            config = load(path, environ={}, sandbox=seed % 2 == 0)
        except ConfigProblem as wrong:
            told += 1
            for problem in wrong.problems:
                where = re.match(rf"{re.escape(str(path))}:(\d+)(: .|$)", problem.where)
                assert where, (seed, problem)
                assert 1 <= int(where[1]) <= lines, (seed, problem)
                assert problem.what, (seed, problem)
        else:
            assert isinstance(config, Config)
    assert told > 60
