"""A campus for every test of an incident."""

import pytest
from scene import Campus


@pytest.fixture
def campus(tmp_path, request):
    made = Campus(tmp_path, request.config.rootpath / "templates")
    yield made
    made.ledger.close()
