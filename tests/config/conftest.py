"""What the tests of the configuration share."""

from pathlib import Path

import pytest

from tests.config.config_files import Files


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)
