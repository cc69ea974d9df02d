"""Asks real Erlang: runs scenarios by oracle.escript and returns their traces."""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Json = dict[str, Any]
_SCRIPT = Path(__file__).parent / "oracle.escript"
_PATHS = frozenset({"sup"})
"""Keys whose strings are texts to the script; all other strings are atoms and terms."""


def erlang(value: object, key: str = "") -> str:
    """A JSON value as an Erlang term."""
    if isinstance(value, dict):
        return "#{" + ",".join(f"{name} => {erlang(each, name)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(erlang(each) for each in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return f'<<"{value}">>' if isinstance(value, str) and key in _PATHS else str(value)


def ask(scenarios: Sequence[Json]) -> list[list[Json]]:
    """The traces of OTP."""
    with tempfile.NamedTemporaryFile("w", suffix=".terms") as file:
        file.write("".join(f"{erlang(scenario)}.\n" for scenario in scenarios))
        file.flush()
        done = subprocess.run(["escript", _SCRIPT, file.name], capture_output=True, text=True, timeout=600, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]
