"""Whatever the file holds: it loads, or there is a ConfigError with a report. Nothing else, and never for long."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trio_supervisor.config.keys import AGENT, ROOT, SUBTREE
from trio_supervisor.config.load import load
from trio_supervisor.config.tables import PROBE_KINDS, TABLES
from trio_supervisor.errors import ConfigError
from trio_supervisor.spec import Health, SupervisorSpec

_PIECES = [
    "agents:",
    "a:",
    "{",
    "}",
    "[",
    "]",
    "- ",
    "\n",
    "\n  ",
    ": ",
    ", ",
    "&x ",
    "*x",
    "<<: ",
    "!t ",
    "|\n",
    "'",
    '"',
    "#",
    "? ",
    "\t",
]
_PIECES += [
    "${A}",
    "${A",
    "${A:-",
    "$${",
    "\0",
    "\r\n",
    "\x85",
    "---\n",
    "%",
    "null",
    "1",
    "5s",
    "command: [x]",
    "include: main.yaml",
]


def _load(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "main.yaml")
        path.write_bytes(data)
        report = _report(path)
    assert report is None or report.startswith(f"{path}:")


def _report(path: Path) -> str | None:
    try:
        load(path, environ={"A": "a"})
    except ConfigError as error:
        return str(error).encode().decode()
    return None


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    _load(data)


@settings(deadline=None)
@given(st.lists(st.sampled_from(_PIECES), max_size=40))
def test_any_pieces_of_yaml(pieces: list[str]) -> None:
    _load("".join(pieces).encode())


_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        [
            "5s",
            "auto",
            "1-2",
            "TERM",
            "{port}",
            "${A}",
            "/x",
            "m:f",
            "ready",
            "b",
            "true",
            "1",
            "b/a",
            "infinity",
            "otp",
        ]
    ),
)
_NAMES = sorted({*AGENT, *SUBTREE, *(name for table in TABLES.values() for name in table), "x-a"})
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4)
)
# Written out at each of so many keys, all names would be too much of a description.
_ANYTHING: st.SearchStrategy[object] = st.deferred(lambda: _VALUES)
_PROBE = st.fixed_dictionaries({}, optional=dict.fromkeys([*PROBE_KINDS, *TABLES[Health]], _ANYTHING))
_AGENT = st.fixed_dictionaries({}, optional=dict.fromkeys(AGENT, _ANYTHING) | {"health": _PROBE, "readiness": _PROBE})
_SUPERVISOR = st.fixed_dictionaries({}, optional=dict.fromkeys(TABLES[SupervisorSpec], _ANYTHING))


def _agents(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.dictionaries(st.sampled_from(["a", "b", "B", "c", "-", "a-1"]), inner, max_size=4)


def _subtree(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    given = {"agents": _agents(inner), "supervisor": _SUPERVISOR | _ANYTHING}
    return st.fixed_dictionaries({}, optional=dict.fromkeys(SUBTREE, _ANYTHING) | given)


_FILE = st.fixed_dictionaries(
    {"agents": _agents(st.recursive(_AGENT | _ANYTHING, _subtree, max_leaves=6))},
    optional={name: _ANYTHING for name in ROOT if name != "agents"}
    | {"defaults": _AGENT, "supervisor": _SUPERVISOR | _ANYTHING},
)


@pytest.mark.slow
@settings(deadline=None)
@given(_FILE)
def test_any_values_at_the_right_keys(data: dict[str, object]) -> None:
    _load(_yaml(data).encode("utf-8", "replace"))


def _yaml(value: object) -> str:
    """A value as YAML in one line; not by a library, which would refuse what a person can write."""
    match value:
        case dict():
            return "{" + ", ".join(f'"{key}": {_yaml(inner)}' for key, inner in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_yaml, value)) + "]"
        case str():
            return "'" + value.replace("'", "''").replace("\n", " ") + "'"
        case float():
            return str(value).replace("inf", ".inf").replace("nan", ".nan")
        case None:
            return "null"
        case _:
            return str(value).lower()
