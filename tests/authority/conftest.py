"""A guardroom for every test of who may send."""

import pytest
from guardroom import Guardroom


@pytest.fixture
def room(tmp_path):
    made = Guardroom(tmp_path)
    yield made
    made.ledger.close()


@pytest.fixture
def build(tmp_path):
    """Make a guardroom with other rules, or more people."""
    made = []

    def build(**given):
        made.append(Guardroom(tmp_path, **given))
        return made[-1]

    yield build
    for one in made:
        one.ledger.close()
