"""A ground for each case, and the table that its rows go to."""

from collections.abc import Iterator

import pytest

from tests.survivors.ground import VARIABLE, Ground, opened
from tests.survivors.table import Record, recorder


@pytest.fixture
def ground(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    """Where the case takes place; nothing of it is left afterwards."""
    with opened() as made:
        monkeypatch.setenv(VARIABLE, made.marker)
        yield made


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Record:
    """Takes in a row of the table."""
    node = request.node
    assert isinstance(node, pytest.Item)
    return recorder(node)
