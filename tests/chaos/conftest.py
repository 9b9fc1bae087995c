import pytest
from campus import Campus


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
