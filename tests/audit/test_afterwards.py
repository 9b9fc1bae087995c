"""What follows an alert never stops what sends it, whatever goes wrong."""

from types import SimpleNamespace

import pytest

from alerting.audit.afterwards import afterwards
from alerting.errors import ConfigProblem


class Broken:
    """A program of which nothing works but the log."""

    def __init__(self, reader):
        self.own_reader, self.told = reader, []
        self.log = SimpleNamespace(error=lambda event, **fields: self.told.append((event, fields["error"])))

    def __getattr__(self, name):
        raise ConfigProblem("channels.yaml is gone")


@pytest.mark.parametrize("makes", [True, False])
def test_who_makes_no_keys_seals_only_where_both_are(tmp_path, makes):
    """The first to seal a shared record has its keys for ever; a worker's directory may be gone tomorrow."""
    app, sealed = Broken(lambda: a_ledger(lambda _: True)), []
    app.state = tmp_path
    app.keeper = lambda: SimpleNamespace(due=sealed.append)
    for name in ("", "audit.key", "audit-signing.key"):
        (tmp_path / name).touch()
        afterwards(app, None, keys=makes)
    assert len(sealed) == (3 if makes else 1)


def a_ledger(first_to):
    return SimpleNamespace(first_to=first_to, close=lambda: None)


def test_a_ledger_that_fails_is_told_and_no_more():
    def gone():
        raise KeyError("+14135550101")

    app = Broken(gone)
    afterwards(app, None)
    assert app.told == [("audit.failed", "KeyError")], "its words may name somebody"


@pytest.mark.parametrize("first", [True, False])
def test_each_part_fails_by_itself(first):
    app = Broken(lambda: a_ledger(lambda _: first))
    afterwards(app, None)
    assert bool(app.told) is first
    assert all("channels.yaml is gone" in words or words == "AttributeError" for _, words in app.told)
    assert len(app.told) == (3 if first else 0)
