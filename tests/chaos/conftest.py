import sys
from pathlib import Path

import pytest

# The campus and its sandbox are those of the end-to-end tests.
sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

from campus import Box, Campus

from alerting.sandbox.process import start


@pytest.fixture(scope="session")
def one_box():
    with start(seed=7, idle_exit_s=600) as handle:
        yield Box(handle)


@pytest.fixture
def box(one_box):
    one_box.fresh()
    return one_box


@pytest.fixture
def build(tmp_path, box):
    """Make campuses, each in a folder and with a ledger of its own."""
    made = []

    def campus(**given):
        home = tmp_path / f"campus-{len(made)}"
        home.mkdir()
        made.append(Campus(home, box, **given))
        return made[-1]

    yield campus
    for one in made:
        one.close()
