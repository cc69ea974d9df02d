"""Whatever tree of supervisors loads is valid by the JSON Schema, too."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from trio_supervisor.config.load import load
from trio_supervisor.config.schema import schema
from trio_supervisor.errors import ConfigError

Strategy = st.SearchStrategy[object]


def _some_of(keys: dict[str, Strategy], **always: Strategy) -> Strategy:
    return st.fixed_dictionaries(always, optional=keys)


def _only(**keys: Strategy) -> Strategy:
    """A step of a stop."""
    first, *others = keys
    return _some_of({name: keys[name] for name in others} | {"wait": _WAIT}, **{first: keys[first]})


_WAIT = st.sampled_from([0, "5s", "infinity"])
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
_RLIMITS = st.dictionaries(st.sampled_from(["nofile", "core"]), st.sampled_from([0, 4096, "unlimited", "1M"]))
_SIZE = st.sampled_from([None, "1M", "1.5G", "2Gi"])
_SECRET = st.sampled_from([{"env": "X"}, {"file": "x"}, {"command": ["x"]}])
_STEP = st.one_of(
    _only(close_stdin=st.just(True)),
    _only(send=st.just("x")),
    _only(signal=st.sampled_from(["TERM", "SIGINT"]), to=st.sampled_from(["group", "leader"])),
    _only(command=st.just(["x", "{port}"])),
    _only(http=st.sampled_from(["/x", "http://a/b"]), method=st.sampled_from(["GET", "POST"])),
)
_AGENT: dict[str, Strategy] = {
    **_CHILD,
    "replicas": st.sampled_from([1, 2, None]),
    "stop": st.sampled_from([None, {}, {"to": "leader"}]) | st.lists(_STEP, max_size=3),
    "port": st.sampled_from(["auto", "1-65535"]),
    "listen": st.sampled_from([True, "::1", None]),
    "preset": st.sampled_from(["acp", "http", None]),
    "stdin": st.sampled_from(["null", "pipe", None]),
    "inherit_env": st.sampled_from(["all", "none", [], ["A_*"]]),
    "secrets": st.dictionaries(st.sampled_from("AB"), _SECRET),
    "user": st.sampled_from([None, 0, "root", "0"]),
    "group": st.sampled_from([None, 0, "root"]),
    "umask": st.sampled_from([None, 22, "022", "0o22"]),
    "nice": st.integers(-20, 19) | st.none(),
    "oom_score_adj": st.integers(-1000, 1000) | st.none(),
    "limits": st.none()
    | _some_of(
        {
            "memory": _SIZE,
            "memory_soft": _SIZE,
            "pids": st.just(3),
            "rlimits": _RLIMITS,
            "lifetime": st.sampled_from(["24h", {"after": "1h", "variance": "5%", "then": "hold"}]),
            "idle": st.sampled_from(["1h", {"after": "1h"}]),
            "progress": st.sampled_from(["15m", {"within": "1h", "pattern": "x+"}]),
            "drain": st.sampled_from(["30s", 0]),
        }
    ),
    "startup_crashes": st.sampled_from([0, 5]),
    "same_exits": st.sampled_from([0, 5]),
    "exit_codes": _some_of({"success": st.just([0, 3]), "restart": st.just([75]), "hold": st.just([])}),
    "account": st.sampled_from(["team", "x-1", None]),
    "quota": st.sampled_from(["limit", ["limit", {"pattern": "x", "wait": "1h"}]]),
    "budget": st.none() | st.sampled_from([{"usd": "5/h"}, {"restarts": "20/day", "then": "pause"}]),
}
_SUPERVISOR: dict[str, Strategy] = {
    "profile": st.sampled_from(["otp", "fleet"]),
    "strategy": st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"]),
    "at_limit": st.sampled_from(["hold", "escalate", "pause", None]),
    "auto_shutdown": st.sampled_from(["never", "any_significant", "all_significant"]),
    "stop_deadline": st.sampled_from(["5s", "infinity", None, 0]),
    "intensity": _INTENSITY,
}


def _agents(inner: Strategy) -> Strategy:
    return st.dictionaries(st.sampled_from("abc"), inner, min_size=1, max_size=3)


def _subtree(inner: Strategy) -> Strategy:
    return _some_of({**_CHILD, "supervisor": st.none() | _some_of(_SUPERVISOR)}, agents=_agents(inner))


_TREE = st.recursive(_some_of(_AGENT, command=st.just(["x"])), _subtree, max_leaves=4)
_FILE = _some_of({"supervisor": st.none() | _some_of(_SUPERVISOR), "defaults": _some_of(_AGENT)}, agents=_agents(_TREE))
_VALIDATOR = Draft202012Validator(schema())


_OFTEN_WRONG = {"grace", "significant", "binds_to", "depends_on", "port", "stdin"}
_ONE = _some_of(
    {name: values for name, values in _AGENT.items() if name not in _OFTEN_WRONG},
    command=st.just(["x"]),
    port=st.just("auto"),
    stdin=st.just("pipe"),
)


@pytest.mark.slow
@settings(deadline=None)
@given(_FILE)
def test_a_tree_that_loads_is_valid(data: object) -> None:
    _check(data)


@pytest.mark.slow
@settings(deadline=None)
@given(st.fixed_dictionaries({"agents": st.fixed_dictionaries({"a": _ONE})}))
def test_an_agent_that_loads_is_valid(data: object) -> None:
    _check(data)


def _check(data: object) -> None:
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
