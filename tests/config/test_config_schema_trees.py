"""Whatever tree of supervisors loads is valid by the JSON Schema, too."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from trio_supervisor.config import load, schema
from trio_supervisor.errors import ConfigError

Strategy = st.SearchStrategy[object]

_INTENSITY = st.sampled_from([None, {}, {"restarts": 1}])
_CHILD: dict[str, Strategy] = {
    "restart": st.sampled_from(["transient", "temporary", "permanent"]),
    "significant": st.booleans(),
    "grace": st.sampled_from(["kill", "5s", "infinity", 0, None]),
    "stop": st.sampled_from([None, {}, {"grace": "infinity"}]),
    "start_timeout": st.sampled_from(["5s", "infinity"]),
    "binds_to": st.sampled_from([[], ["a"]]),
    "depends_on": st.sampled_from([[], ["a"], {"b": "started"}]),
    "intensity": _INTENSITY,
    "enabled": st.booleans(),
}
_AGENT: dict[str, Strategy] = {**_CHILD, "replicas": st.sampled_from([1, 2, None])}
_SUPERVISOR: dict[str, Strategy] = {
    "profile": st.sampled_from(["otp", "fleet"]),
    "strategy": st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"]),
    "at_limit": st.sampled_from(["hold", "escalate", "pause", None]),
    "auto_shutdown": st.sampled_from(["never", "any_significant", "all_significant"]),
    "stop_deadline": st.sampled_from(["5s", "infinity", None, 0]),
    "intensity": _INTENSITY,
}


def _some_of(keys: dict[str, Strategy], **always: Strategy) -> Strategy:
    return st.fixed_dictionaries(always, optional=keys)


def _agents(inner: Strategy) -> Strategy:
    return st.dictionaries(st.sampled_from("abc"), inner, min_size=1, max_size=3)


def _subtree(inner: Strategy) -> Strategy:
    return _some_of({**_CHILD, "supervisor": st.none() | _some_of(_SUPERVISOR)}, agents=_agents(inner))


_TREE = st.recursive(_some_of(_AGENT, command=st.just(["x"])), _subtree, max_leaves=4)
_FILE = _some_of({"supervisor": st.none() | _some_of(_SUPERVISOR), "defaults": _some_of(_AGENT)}, agents=_agents(_TREE))
_VALIDATOR = Draft202012Validator(schema())


@pytest.mark.slow
@settings(deadline=None)
@given(_FILE)
def test_a_tree_that_loads_is_valid(data: object) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "main.yaml")
        path.write_text(json.dumps(data))  # JSON is YAML, too
        try:
            load(path, environ={})
        except ConfigError:
            event("refused")
            return
    event("loaded")
    assert [error.message for error in _VALIDATOR.iter_errors(data)] == []
