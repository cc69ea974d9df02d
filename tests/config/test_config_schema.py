"""The JSON Schema agrees with the files that are loaded and with those that are refused."""

import json
from collections.abc import Iterator, Mapping

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.config.config_files import Files
from trio_supervisor.config.schema import schema
from trio_supervisor.config.template import template
from trio_supervisor.errors import ConfigError

EXAMPLE = """
version: 1
supervisor:
  profile: fleet
  strategy: one_for_one
  intensity: {restarts: 5, within: 60s}
  at_limit: hold
  auto_shutdown: never
  stop_deadline: 30s
  max_parallel_starts: 20
defaults: {restart: permanent}
agents:
  researcher:
    command: [python, -m, researcher, --port, "{port}"]
    cwd: ./researcher
    env: {MODEL: "${MODEL:-small}"}
    port: auto
    restart: permanent
    backoff: {initial: 500ms, factor: 2, max: 30s, jitter: 0.2, reset_after: 60s}
    readiness: {http: /.well-known/agent-card.json, period: 5s, timeout: 5s, deadline: 60s}
    health: {http: /health, period: 30s, timeout: 5s, failures: 3, successes: 1}
    depends_on: {database: ready, migrate: finished}
    stop: {signal: TERM, grace: 10s}
  database: {command: [redis-server, --port, "{port}"], port: 8080, readiness: {tcp: "{port}"}}
  migrate: {command: [./migrate], restart: temporary}
  poller: {task: "my_package.workers:poll"}
  team:
    supervisor: {strategy: one_for_all, auto_shutdown: any_significant}
    agents:
      planner: {command: [planner], restart: transient, significant: true}
      coder: {command: [coder], binds_to: [planner]}
    restart: transient
    depends_on: [database]
    grace: infinity
  everything:
    command: [agent, --acp]
    enabled: true
    replicas: 3
    significant: false
    binds_to: [database]
    start_timeout: 10s
    intensity: {restarts: 2, within: 1m}
    grace: 5s
    port: 19001-19100
    health: {http: /health, method: GET, headers: {}, status: [200], body: "ok", json: {status: ok}, host: 127.0.0.1}
"""

GOOD = [
    EXAMPLE,
    template(),
    "agents: {a: {command: 'x | y', shell: true}}",
    "agents: {a: {command: [x], port: null, readiness: null, x-note: [1]}}\nx-more: {}",
    "defaults: {health: {period: 5s}, command: [x]}\nagents: {a: {health: {tcp: 80}}, b: {health: null}}",
    "agents: {a: {command: [x], depends_on: [b]}, b: {command: [x], health: {exec: [check]}}}",
    "agents: {a: {command: [x], stop: {grace: 0}, port: auto, health: {a2a: true, host: localhost}}}",
    'agents: {a: {command: [x], stop: {grace: "${G:-5s}"}, port: "${P:-80}", enabled: "${E:-true}", cwd: "${C:-/}"}}',
    'agents: {a: {command: [x], restart: "${R:-transient}", backoff: {factor: "${F:-2}"}, health: {tcp: "${T:-80}"}}}',
    "agents: {a: {command: [x], health: {tcp: 1, failures: 9}}, b: {command: [x], stop: {signal: SIGINT}}}",
    "agents: {t: {supervisor: null, agents: {u: {agents: {a: {command: [x]}}, stop: {grace: infinity}}, b: null}}}\n"
    "defaults: {command: [x]}",
    "supervisor: {stop_deadline: infinity, profile: '${P:-otp}', strategy: '${S:-rest_for_one}', at_limit: null}\n"
    "agents: {a: {command: [x], grace: kill, stop: null, replicas: '${N:-2}', start_timeout: infinity}}",
    "agents: {a: {command: [x], grace: 0, backoff: null, stop: }, b: {command: [x], grace: infinity}}",
    "agents: {a: {command: [x], grace: null, stop: {grace: 5s}}}",
    "agents: {a: {command: [x], stdin: pipe, port: auto, stop: [{close_stdin: true, wait: 2s}, {send: 'quit', wait: 0},"
    " {signal: TERM, to: group}, {command: [./bye], wait: infinity}, {http: /shutdown, method: PUT, x-why: 1}]}}",
    "agents: {a: {command: [x], stop: []}, b: {command: [x], stop: {signal: INT, to: leader}, stdin: null}}",
    "agents: {a: {command: [x], stdin: pty, window: {columns: 132, rows: 43}}}",
    "agents: {a: {command: [x], preset: acp}, b: {command: [x], preset: '${P:-http}', stdin: '${S:-pipe}'}}\n"
    "defaults: {preset: pty, window: {rows: 50}}",
    "agents: {a: {command: [x], inherit_env: minimal}, b: {command: [x], inherit_env: [PATH, 'LC_*']}}",
    "agents: {a: {command: [x], secrets: {A: {env: X}, B: {file: x.key}, C: {command: [pass]}}}}",
    "agents: {a: {command: [x], user: 1000, group: '${G:-nogroup}', umask: '022', nice: -5, oom_score_adj: 100}}",
    "agents: {a: {command: [x], user: null, group: www, umask: 0o22}, b: {command: [x], umask: 027}}",
    "agents: {a: {command: [x], limits: {lifetime: 24h, idle: 1h, progress: 15m, drain: 30s}}}",
    "agents: {a: {command: [x], limits: {lifetime: {after: 24h, variance: 10%, then: hold}, idle: {after: 1h}}}}",
    "agents: {a: {command: [x], limits: {progress: {within: 15m, pattern: 'step [0-9]+', then: restart}}}}",
    "agents: {a: {command: [x], budget: {usd: 0.50/30m, restarts: 20/day, silent_after: infinity, then: pause}}}",
    "agents: {a: {command: [x], account: team, quota: 'limit reached', startup_crashes: 0, same_exits: 9}}",
    "agents: {a: {task: 'm:f', exit_codes: {success: [0, 3], restart: [], hold: [9]}, limits: {idle: 5m}}}",
    "agents: {a: {command: [x], account: t}}\naccounts: {t: {budget: {usd: 50/day}, quota: [x, {pattern: y}]}}",
    "agents: {a: {command: [x], limits: {memory: 2G, memory_soft: 1.5Gi, pids: 9, rlimits: {nofile: 5, core: 1M}}}}",
    "agents: {a: {command: [x], limits: {memory: null, rlimits: {core: unlimited}}}, b: {command: [x], limits: null}}",
    "agents: {a: {command: [x], port: auto, listen: true}, b: {command: [x], port: auto, listen: '::1'}}",
    "env_file: [{path: a.env, required: false}]\nagents: {a: {command: [x], env_file: {path: a.env, required: false}}}",
]

BAD = [
    "agents: {a: {comand: [x]}}",
    "agent: {}",
    "version: 2\nagents: {a: {command: [x]}}",
    "agents: [a]",
    "agents: {a b: {command: [x]}}",
    "agents: {a: 5}",
    "agents: {a: {command: 5}}",
    "agents: {a: {command: [x, 5]}}",
    "agents: {a: {command: [x], env: {A: 1}}}",
    "agents: {a: {command: [x], env: {A=B: c}}}",
    "agents: {a: {command: [x], port: 70000}}",
    "agents: {a: {command: [x], port: atuo}}",
    "agents: {a: {command: [x], enabled: 'yes'}}",
    "agents: {a: {command: [x], restart: always}}",
    "agents: {a: {command: [x], stop: {grace: 30}}}",
    "agents: {a: {command: [x], stop: {grace: 30sec}}}",
    "agents: {a: {command: [x], stop: {signal: TREM}}}",
    "agents: {a: {command: [x], stop: TERM}}",
    "agents: {a: {command: [x], stop: [TERM]}}",
    "agents: {a: {command: [x], stop: [{}]}}",
    "agents: {a: {command: [x], stop: [{wait: 5s}]}}",
    "agents: {a: {command: [x], stop: [{signal: TERM, grace: 5s}]}}",
    "agents: {a: {command: [x], stop: {signal: TERM, wait: 5s}}}",
    "agents: {a: {command: [x], stop: [{signal: TERM, command: [x]}]}}",
    "agents: {a: {command: [x], stop: [{signal: TERM, method: GET}]}}",
    "agents: {a: {command: [x], stop: [{signal: TERM, to: all}]}}",
    "agents: {a: {command: [x], stop: [{command: bye}]}}",
    "agents: {a: {command: [x], preset: https}}",
    "agents: {a: {command: [x], stdin: tty}}",
    "agents: {a: {command: [x], inherit_env: some}}",
    "agents: {a: {command: [x], secrets: {A: b}}}",
    "agents: {a: {command: [x], secrets: {A: {}}}}",
    "agents: {a: {command: [x], secrets: {A: {env: X, file: y}}}}",
    "agents: {a: {command: [x], secrets: {A: {evn: X}}}}",
    "agents: {a: {command: [x], user: -1}}",
    "agents: {a: {command: [x], umask: '088'}}",
    "agents: {a: {command: [x], umask: '1000'}}",
    "agents: {a: {command: [x], nice: low}}",
    "agents: {a: {command: [x], limits: 2G}}",
    "agents: {a: {command: [x], limits: {memory: 5}}}",
    "agents: {a: {command: [x], limits: {memory: 5GB}}}",
    "agents: {a: {command: [x], limits: {lifetime: 24}}}",
    "agents: {a: {command: [x], limits: {lifetime: {after: 1h, variance: ten}}}}",
    "agents: {a: {command: [x], limits: {idle: {within: 1h}}}}",
    "agents: {a: {command: [x], limits: {progress: {within: 1h, then: panic}}}}",
    "agents: {a: {command: [x], budget: {usd: 5}}}",
    "agents: {a: {command: [x], budget: {usd: 5/h, then: escalate}}}",
    "agents: {a: {command: [x], quota: [{wait: 5m, patern: x}]}}",
    "agents: {a: {command: [x], exit_codes: {success: 0}}}",
    "agents: {a: {command: [x]}}\naccounts: {team: {budgets: {}}}",
    "agents: {a: {command: [x], limits: {rlimits: {nofiles: 1}}}}",
    "agents: {a: {command: [x], limits: {rlimits: {nofile: -1}}}}",
    "agents: {a: {command: [x], port: auto, listen: false}}",
    "agents: {a: {task: 'm:f', stdin: pipe}}",
    "agents: {a: {task: 'm:f', preset: http}}",
    "agents: {t: {agents: {a: {command: [x]}}, stop: [{signal: INT}]}}",
    "agents: {t: {agents: {a: {command: [x]}}, limits: {}}}",
    "agents: {a: {command: [x], backoff: {factor: fast}}}",
    "agents: {a: {command: [x], health: {htpp: /}}}",
    "agents: {a: {command: [x], health: {tcp: 1, http: /}}}",
    "agents: {a: {command: [x], health: {tcp: 1, method: GET}}}",
    "agents: {a: {command: [x], health: {tcp: 1, deadline: 5s}}}",
    "agents: {a: {command: [x], health: {tcp: 1, failures: 1.5}}}",
    "agents: {a: {command: [x], depends_on: {b: healthy}}, b: {command: [x]}}",
    "agents: {a: {task: 'm:f', command: [x]}}",
    "agents: {a: {task: 'm:f', port: auto}}",
    "agents: {a: {task: module}}",
    "agents: {a: {command: [x], env_file: {required: false}}}",
    "supervisor: {intensity: {restarts: many}}\nagents: {a: {command: [x]}}",
    "supervisor: {strategy: simple_one_for_one}\nagents: {a: {command: [x]}}",
    "supervisor: {strategy: all}\nagents: {a: {command: [x]}}",
    "supervisor: {profile: erlang}\nagents: {a: {command: [x]}}",
    "supervisor: {at_limit: give_up}\nagents: {a: {command: [x]}}",
    "supervisor: {stop_deadline: never}\nagents: {a: {command: [x]}}",
    "strategy: one_for_all\nagents: {a: {command: [x]}}",
    "agents: {a: {command: [x], strategy: one_for_all}}",
    "agents: {a: {command: [x], replicas: 0}}",
    "agents: {a: {command: [x], replicas: 1.5}}",
    "agents: {a: {command: [x], grace: 5}}",
    "agents: {a: {command: [x], grace: never}}",
    "agents: {a: {command: [x], grace: 5s, stop: {grace: 5s}}}",
    "agents: {a: {command: [x], significant: 1}}",
    "agents: {a: {command: [x], binds_to: b}, b: {command: [x]}}",
    "agents: {a: {command: [x], start_timeout: 5}}",
    "agents: {a: {command: [x], intensity: 5}}",
    "agents: {t: {supervisor: {}}}",
    "agents: {t: {supervisor: {strateggy: one_for_all}, agents: {a: {command: [x]}}}}",
    "agents: {t: {supervisor: {strategy: simple_one_for_one}, agents: {a: {command: [x]}}}}",
    "agents: {t: {agents: {a: {comand: [x]}}}}",
    "agents: {t: {agents: {t: {agents: {a: {comand: [x]}}}}}}",
    "agents: {t: {agents: {a b: {command: [x]}}}}",
    "agents: {t: {agents: {a: {command: [x]}}, command: [x]}}",
    "agents: {t: {agents: {a: {command: [x]}}, port: auto}}",
    "agents: {t: {agents: {a: {command: [x]}}, replicas: 2}}",
    "agents: {t: {agents: {a: {command: [x]}}, readiness: {tcp: 1}}}",
    "agents: {t: {agents: {a: {command: [x]}}, stop: {signal: INT}}}",
    "agents: {t: {agents: {a: {command: [x]}}, stop: {grace: 1s}, grace: 1s}}",
    "agents: {t: {agents: {a: {command: [x]}}, strategy: one_for_all}}",
    "defaults: {agents: {}}\nagents: {a: {command: [x]}}",
    "defaults: {supervisor: {}}\nagents: {a: {command: [x]}}",
    "defaults: {stop: {grace: 1s}, grace: 1s}\nagents: {a: {command: [x]}}",
    "defaults: {restrat: permanent}\nagents: {a: {command: [x]}}",
]


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    Draft202012Validator.check_schema(schema())
    return Draft202012Validator(schema())


def _data(text: str) -> object:
    """As an editor sees it; nothing in these texts depends on the version of YAML."""
    return yaml.safe_load(text)


@pytest.mark.parametrize("text", GOOD)
def test_what_can_be_loaded_is_valid(files: Files, validator: Draft202012Validator, text: str) -> None:
    files.load(text)
    assert [error.message for error in validator.iter_errors(_data(text))] == []


@pytest.mark.parametrize("text", BAD)
def test_what_is_refused_for_its_form_is_not_valid(files: Files, validator: Draft202012Validator, text: str) -> None:
    with pytest.raises(ConfigError):
        files.load(text)
    assert not validator.is_valid(_data(text))


def _objects(part: object) -> Iterator[Mapping[str, object]]:
    if isinstance(part, dict):
        if "properties" in part and "type" in part:
            yield part
        for value in part.values():
            yield from _objects(value)
    elif isinstance(part, list):
        for value in part:
            yield from _objects(value)


def test_every_mapping_is_closed_but_for_x_keys_and_every_key_is_explained() -> None:
    found = list(_objects(schema()))

    assert len(found) > 8
    for part in found:
        assert part["additionalProperties"] is False
        assert part["patternProperties"] == {"^x-": {}}
        assert isinstance(part["properties"], dict)
        assert all(len(key["description"]) > 10 for key in part["properties"].values())


def test_defaults_are_shown_as_they_would_be_written() -> None:
    definitions = schema()["$defs"]
    assert isinstance(definitions, dict)
    health, agent = definitions["health"]["properties"], definitions["agent"]["properties"]

    assert (health["period"]["default"], health["failures"]["default"], health["method"]["default"]) == (
        "30s",
        3,
        "GET",
    )
    assert (agent["restart"]["default"], agent["enabled"]["default"]) == ("permanent", True)
    assert agent["stop"]["anyOf"][0]["anyOf"][0]["properties"]["signal"]["default"] == "TERM"
    assert agent["start_timeout"]["default"] == "infinity"
    assert agent["backoff"]["anyOf"][0]["properties"]["factor"]["default"] == 2.0


def test_the_schema_is_json() -> None:
    assert json.loads(json.dumps(schema(), allow_nan=False)) == schema()
