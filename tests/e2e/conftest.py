import pytest
from campus import Campus
from warm import serving


@pytest.fixture
def campus(tmp_path, box):
    made = Campus(tmp_path, box)
    yield made
    made.close()


@pytest.fixture
def serve(campus):
    """Have `alert serve` run beside the campus; its process."""
    with serving(campus) as process:
        yield process


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
