"""What the configuration brings in is brought in by nothing else."""

import subprocess
import sys

import pytest

_HEAVY = {"yaml", "cattrs"}


@pytest.mark.parametrize("module", ["trio_supervisor", "trio_supervisor.spec", "trio_supervisor.errors"])
def test_specs_can_be_used_without_what_reads_files(module: str) -> None:
    code = f"import sys, {module}; print(' '.join(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert "trio_supervisor" in found
    assert not _HEAVY & set(found)
