import pytest
from drill_campus import Campus


@pytest.fixture
def campus(tmp_path):
    made = Campus(tmp_path)
    yield made
    made.close()
