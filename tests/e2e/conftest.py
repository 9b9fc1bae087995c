import pytest
from campus import Box, Campus

from alerting.sandbox.process import start


@pytest.fixture(scope="session")
def one_box():
    with start(seed=7, idle_exit_s=600) as handle:
        yield Box(handle)


@pytest.fixture
def box(one_box):
    """One sandbox for the whole run, as new."""
    one_box.fresh()
    return one_box


@pytest.fixture
def campus(tmp_path, box):
    made = Campus(tmp_path, box)
    yield made
    made.close()


@pytest.fixture
def build(tmp_path, box):
    """Make a campus that differs from the usual one."""
    made = []

    def campus(*, sandbox=True, **given):
        made.append(Campus(tmp_path, box if sandbox else None, **given))
        return made[-1]

    yield campus
    for one in made:
        one.close()
