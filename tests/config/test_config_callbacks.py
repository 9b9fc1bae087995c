"""Where providers reach us, and what is refused before anything listens."""

import re
from pathlib import Path

import pytest

from alerting.config import load
from alerting.errors import ConfigProblem

ROOT = Path(__file__).parents[2]
FILE = """
version: 1
campus: {{name: Example, source: EX ALERT, time_zone: America/New_York}}
callbacks: {callbacks}
channels:
  - {{name: mail, kind: email.smtp, host: smtp.example.edu, from: alerts@example.edu}}
"""


def read(tmp_path, callbacks):
    path = tmp_path / "channels.yaml"
    path.write_text(FILE.format(callbacks=callbacks))
    return load(path, environ={})


@pytest.mark.parametrize(("written", "url", "place"), [
    ("{public_url: https://alerts.example.edu/hooks/}", "https://alerts.example.edu/hooks", ("127.0.0.1", 8460)),
    ('{public_url: https://a.example.edu:8443, listen: "0.0.0.0:80"}', "https://a.example.edu:8443", ("0.0.0.0", 80)),
    ('{public_url: http://127.0.0.1:9000, listen: "[::1]:9000"}', "http://127.0.0.1:9000", ("::1", 9000)),
])  # fmt: skip
def test_a_public_address_and_a_place_to_listen(tmp_path, written, url, place):
    reach = read(tmp_path, written).callbacks
    assert (reach.public_url, (reach.host, reach.port)) == (url, place)


def test_without_the_section_nobody_can_reach_us(tmp_path):
    path = tmp_path / "channels.yaml"
    path.write_text(
        "\n".join(line for line in FILE.format(callbacks="").splitlines() if "callbacks" not in line)
    )
    assert load(path, environ={}).callbacks is None


@pytest.mark.parametrize(("written", "said"), [
    ("{}", "public_url"),
    ("{public_url: http://alerts.example.edu}", "not a public address"),
    ("{public_url: 'https://a.example.edu/x?y=1'}", "not a public address"),
    ("{public_url: 'https://user:pw@a.example.edu'}", "not a public address"),
    ("{public_url: https://a.example.edu, listen: 8460}", "not a place to listen"),
    ('{public_url: https://a.example.edu, listen: "127.0.0.1:0"}', "not a place to listen"),
    ('{public_url: https://a.example.edu, listen: "127.0.0.1:70000"}', "not a place to listen"),
    ("{public_url: https://a.example.edu, host: x}", "host"),
])  # fmt: skip
def test_what_cannot_work_is_said_with_its_line(tmp_path, written, said):
    with pytest.raises(ConfigProblem, match=said) as refused:
        read(tmp_path, written)
    assert "channels.yaml:4" in str(refused.value)


def test_the_section_that_waits_in_the_shipped_file_works_once_its_marks_are_taken_away(tmp_path):
    shipped = (ROOT / "channels.yaml").read_text(encoding="utf-8")
    assert load(ROOT / "channels.yaml", environ={}, sandbox=True).callbacks is None
    marked = re.findall(r"^# ((?:callbacks:|  (?:public_url|listen):).*)$", shipped, re.MULTILINE)
    (tmp_path / "channels.yaml").write_text(shipped + "\n" + "\n".join(marked) + "\n")
    reach = load(tmp_path / "channels.yaml", environ={}, sandbox=True).callbacks
    assert (reach.public_url, reach.host, reach.port) == (
        "https://alerts.example.edu/hooks",
        "127.0.0.1",
        8460,
    )
