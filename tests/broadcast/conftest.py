import pytest
from stage import Stage


@pytest.fixture
def stage(tmp_path):
    made = []

    def build(*channels, **given):
        made.append(Stage(tmp_path, *channels, **given))
        return made[-1]

    yield build
    for one in made:
        one.close()
