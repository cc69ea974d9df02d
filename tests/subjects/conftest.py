"""Real programs to supervise, and what they need: see README.md beside this file."""

import os
import shutil
from pathlib import Path

import pytest

VARIABLE = "TRIO_SUPERVISOR_SUBJECTS"
VARIABLE_MCP1 = "TRIO_SUPERVISOR_SUBJECTS_MCP1"
SUPERGATEWAY = "TRIO_SUPERVISOR_SUPERGATEWAY"


@pytest.fixture(scope="session")
def programs() -> Path:
    """The directory of the programs; those without packages run with any Python."""
    return Path(__file__).parent / "progs"


@pytest.fixture(scope="session")
def subjects_bin() -> Path:
    """The `bin` of the environment that has the programs' packages (uvicorn, gunicorn and hypercorn lie there too)."""
    where = os.environ.get(VARIABLE)
    if not where:
        pytest.skip(f"{VARIABLE} names no virtual environment with tests/subjects/requirements.txt installed")
    directory = Path(where).absolute() / "bin"
    # Who sets the variable wants these tests: a wrong value must not look like success.
    assert (directory / "python").exists(), f"{VARIABLE}={where}: there is no bin/python"
    return directory


@pytest.fixture(scope="session")
def subjects_python(subjects_bin: Path) -> Path:
    """The Python that has the programs' packages."""
    return subjects_bin / "python"


@pytest.fixture(scope="session")
def mcp1_python() -> Path:
    """The Python that has mcp 1.x, which can't share an environment with 2.x."""
    where = os.environ.get(VARIABLE_MCP1)
    if not where:
        pytest.skip(f"{VARIABLE_MCP1} names no virtual environment with tests/subjects/requirements-mcp1.txt installed")
    python = Path(where).absolute() / "bin" / "python"
    assert python.exists(), f"{VARIABLE_MCP1}={where}: there is no bin/python"
    return python


@pytest.fixture(scope="session")
def supergateway() -> str:
    """The program supergateway."""
    program = os.environ.get(SUPERGATEWAY) or shutil.which("supergateway")
    if program is None:
        pytest.skip(f"supergateway is not installed (npm install supergateway@4.0.0), and {SUPERGATEWAY} names none")
    return program


@pytest.fixture(scope="session")
def redis_server() -> str:
    """The program redis-server."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed (Debian: apt-get install redis-server)")
    return program
