import pytest

from alerting.config.lines import read
from alerting.errors import ConfigProblem


def refused(text):
    with pytest.raises(ConfigProblem) as caught:
        read(text if isinstance(text, bytes) else text.encode(), "c.yaml")
    return str(caught.value)


def test_every_value_knows_its_line():
    document = read(b"\n# words\na: 1\nb:\n  - c: x\n    d:\n      y\n  - [e,\n     f]\n", "c.yaml")
    assert document.data == {"a": "1", "b": [{"c": "x", "d": "y"}, ["e", "f"]]}
    lines = {("a",): 3, ("b",): 4, ("b", 0): 5, ("b", 0, "d"): 6, ("b", 1): 8, ("b", 1, 1): 9}
    assert {where: document.lines[where] for where in lines} == lines
    assert document.line(("b", 0, "missing", "deeper")) == 5


@pytest.mark.parametrize("text", ["+14135550100", "0755", "no", "12:30", "2026-01-01", "1e3", "0x1F", "NaN"])
def test_a_value_is_the_text_that_stands_there(text):
    assert read(f"a: {text}".encode(), "c.yaml").data == {"a": text}


def test_nothing_is_none_and_quotes_make_it_text():
    assert read(b"a:\nb: ~\nc: null\nd: ''\ne: 'null'", "c.yaml").data == {
        "a": None,
        "b": None,
        "c": None,
        "d": "",
        "e": "null",
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a:\n\tb: c", "c.yaml:2: a tab; indent with spaces"),
        ("a: 1\nb: c: d", "c.yaml:2: a colon in the wrong place; put the value in quotes"),
        ("a: [1,\n2", "c.yaml:1: a bracket is not closed; close it"),
        ("a: 1\nb: 'x\ny: 2", "c.yaml:2: a quote is not closed; close it"),
        ('a: "\\d"', "c.yaml:1: a backslash in double quotes; use single quotes"),
        ("a:\n  b: 1\n c: 2", "c.yaml:3: the indentation does not fit the lines above"),
        ("a: 1\nb\nc: 2", "c.yaml:3: a line without a colon; write name: value"),
        ("{a: 1}\n]", "c.yaml:2: this does not belong to what stands above; check the brackets"),
        ("a: ]", "c.yaml:1: no value where one should be; write one, or put it in quotes"),
        ("a: - b", "c.yaml:1: a dash in the wrong place; put it on a line of its own"),
        ("a: ? b", "c.yaml:1: a value that begins with ?; put it in quotes"),
        ("a: @x", 'c.yaml:1: a value that begins with "@"; put it in quotes'),
        ("a: *x", "c.yaml:1: a value that begins with *; put it in quotes"),
        ("a: !x y", "c.yaml:1: a value that begins with !; put it in quotes"),
        ("a: !!python/object:os.system x", "c.yaml:1: a value that begins with !"),
        ("a: &x [*x]", "c.yaml:1: a value that begins with *"),
        ("? [a]\n: b", "c.yaml:1: the name of a field must be a word; write name: value"),
        ("a: 1\nb: 2\na: 3", 'c.yaml:3: "a" is already on line 1; keep one of them'),
        ("a: 1\n---\nb: 2", "c.yaml:2: a second document begins; take the line --- out"),
        ("", "c.yaml:1: is empty; copy the example"),
        ("a: 1\nb: \x07", "c.yaml:2: an invisible character, U+0007; take it out"),
        ("a: 1\nb: \u2028x", "c.yaml:2: an invisible character, U+2028; take it out"),
        (b"a: 1\nb: caf\xe9", "c.yaml:2: a letter that is not UTF-8; save the file as UTF-8"),
        (b"#" * (1 << 21), "c.yaml:1: larger than a megabyte"),
        ("[" * 300_000, "c.yaml:1: too many levels; nest less"),
        ("- " * 300_000 + "x", "c.yaml:1: too many levels; nest less"),
        ("%YAML x\n---\na: 1", "c.yaml:1: not YAML ("),
    ],
)
def test_what_is_not_plain_yaml_is_told_with_its_line_in_plain_words(text, said):
    assert refused(text).startswith(said)


def test_all_duplicates_are_told_and_the_values_below_them_keep_their_lines():
    said = refused("a: 1\na: {b: 2}\nc: {d: 1, d: 2}\n")
    assert said.splitlines() == [
        'c.yaml:2: "a" is already on line 1; keep one of them',
        'c.yaml:3: "d" is already on line 3; keep one of them',
    ]


def test_a_byte_order_mark_is_no_part_of_the_first_name():
    assert read(b"\xef\xbb\xbfa: 1", "c.yaml").data == {"a": "1"}
