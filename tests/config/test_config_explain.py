"""`check --explain`: a file written out is a file that means the same, and tells where each value comes from."""

from pathlib import Path

import pytest
from attrs import evolve

from tests.config.config_files import Files
from trio_supervisor.config.load import explained
from trio_supervisor.core.policy import Backoff, ExitCodes, Profile
from trio_supervisor.engine.policies import NO_BACKOFF, stop_steps, tree_policy
from trio_supervisor.spec import FLEET_CODES, FLEET_CRASHES, SupervisorSpec
from trio_supervisor.spec.presets import PRESETS

ROOT = Path(__file__).parents[2]

TREES = """
accounts: {team: {budget: {usd: 5/h}, quota: ["used up"]}}
defaults: {restart: transient, health: {period: 10s}, env: {A: "${SECRET_OF_ENV}"}}
agents:
  m: {command: [vllm, "{port}"], port: auto, preset: vllm, readiness: {period: 1s, json: {a: [1, "2", true]}}}
  g: {command: [nginx], preset: nginx, health: null, log: {file: x.log}, limits: {memory: 2G, idle: 1h}}
  k: {command: [k], health: null, account: team, budget: {usd: 1/day}, limits: {lifetime: {after: 24h}}}
  judge: {remote: "https://x.example/j", preset: a2a, headers: {Authorization: {env: T, prefix: "Bearer "}}}
  shell: {command: "echo '#1: two' | cat", shell: true, stdin: pipe, grace: 5s, health: null, backoff: {max: 5s}}
  team:
    supervisor: {strategy: one_for_all, profile: otp}
    agents: {p: {task: "a:b", health: {tcp: "1"}}, q: {command: [q], stop: [{signal: INT, wait: 1s}], health: null}}
"""


def in_full(spec: SupervisorSpec) -> SupervisorSpec:
    """With what its profile says where it says nothing itself."""
    policy = tree_policy(spec)
    children = []
    for child in spec.children:
        run = in_full(child.run) if isinstance(child.run, SupervisorSpec) else child.run
        backoff = NO_BACKOFF if spec.profile is Profile.OTP else Backoff()
        backoff = child.backoff or backoff
        otp = spec.profile is Profile.OTP
        full = evolve(child, run=run, backoff=backoff, stop=stop_steps(child, spec.profile))
        full = evolve(full, exit_codes=child.exit_codes or (ExitCodes() if otp else FLEET_CODES))
        crashes = 0 if otp else FLEET_CRASHES
        startup_crashes = crashes if child.startup_crashes is None else child.startup_crashes
        same_exits = crashes if child.same_exits is None else child.same_exits
        children.append(evolve(full, startup_crashes=startup_crashes, same_exits=same_exits))
    return evolve(
        spec,
        children=tuple(children),
        intensity=policy.intensity,
        at_limit=policy.at_limit,
        stop_deadline=policy.stop_deadline,
    )


def written_out(files: Files, text: str) -> str:
    return "\n".join(explained(files.write("main.yaml", text), environ=files.environ)) + "\n"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path, {"SECRET_OF_ENV": "hidden-value"})


@pytest.mark.parametrize(
    "text",
    [
        TREES,
        (ROOT / "supervisor.yaml").read_text(),
        *(f"agents: {{a: {{command: [x], port: auto, preset: {name}}}}}" for name in PRESETS),
        "supervisor: {profile: otp, intensity: {restarts: 3, within: 7s}}\nagents: {a: {command: [x]}}",
    ],
)
def test_what_is_written_out_means_the_same(files: Files, text: str) -> None:
    before = files.load(text)
    out = written_out(files, text)

    assert in_full(files.load(out).spec) == in_full(before.spec)
    assert written_out(files, out).splitlines()[0] == "version: 1"


def origin(out: str, line: str) -> str:
    """What is said of the first line that begins like this."""
    return next(one.partition(" # ")[2] for one in out.splitlines() if one.strip().startswith(line))


def test_each_value_has_its_origin(files: Files) -> None:
    out = written_out(files, TREES)

    assert origin(out, "restart: transient") == "defaults, line 3"
    assert origin(out, "preset: vllm") == "line 5"
    assert origin(out, "http: /health") == "preset vllm"
    assert origin(out, "period: 10s") == "defaults, line 3"
    assert origin(out, "period: 1s") == "line 5"
    assert origin(out, "deadline: 30m") == "preset vllm"
    assert origin(out, "jitter: 0.1") == "default"
    assert origin(out, "stop: [{signal: QUIT") == "preset nginx"
    assert origin(out, "at_limit: hold") == "profile fleet"
    assert origin(out, "at_limit: escalate") == "profile otp"
    assert origin(out, "profile: otp") == "line 11"


def test_no_variable_is_replaced(files: Files) -> None:
    out = written_out(files, TREES)

    assert "${SECRET_OF_ENV}" in out
    assert "hidden-value" not in out


def test_of_an_included_file_the_name_is_told(files: Files) -> None:
    files.write("team.yaml", "agents: {b: {command: [y]}}\n")

    out = written_out(files, "include: team.yaml\nagents: {a: {command: [x]}}\n")

    assert origin(out, "command: [x]") == "line 2"
    assert origin(out, "command: [y]") == f"{files.directory}/team.yaml, line 1"


def test_a_written_probe_wins_key_by_key_over_the_preset(files: Files) -> None:
    agent = "agents: {{a: {{command: [x], port: auto, preset: vllm, {0}}}}}"
    preset = PRESETS["vllm"]
    assert preset.readiness is not None

    assert files.child(agent.format("health: null")).health is None
    assert files.child(agent.format("health: null")).readiness == preset.readiness
    child = files.child(agent.format("readiness: {period: 1s}"))
    assert child.readiness is not None
    assert (child.readiness.check, child.readiness.period) == (preset.readiness.check, 1.0)
    child = files.child(agent.format("startup: {tcp: '{port}'}"))
    assert child.startup is not None
    assert (child.startup.deadline, type(child.startup.check).__name__) == (1800.0, "Tcp")


def test_a_preset_without_the_port_that_it_asks_is_a_mistake_at_its_place(files: Files) -> None:
    assert files.mistakes("agents: {a: {command: [x], preset: langgraph}}")[0].startswith(
        "1:36: 'http' needs the agent's port: write 'port: auto'"
    )


@pytest.mark.parametrize(
    ("agent", "message"),
    [
        ("remote: 'https://x'", "remote agent 'a' is asked nothing"),
        ("remote: 'https://x', preset: a2a, port: auto", "'port' is for processes; it does not go with 'remote'"),
        ("remote: 'https://x', preset: redis", "a remote has none: its paths begin at its URL"),
        ("remote: 'https://x', preset: a2a, command: [x]", "'command' is for processes"),
        ("remote: 'https://x', preset: a2a, stop: {grace: 1s}", "'stop' is for agents that run here"),
        ("remote: 'https://x', health: {exec: [x]}", "'exec' does not go with 'remote'"),
        ("remote: 'x', preset: a2a", "remote 'x': must be a URL"),
        ("remote: 'https://x', preset: a2a, headers: {A: {prefix: x}}", "needs one of file, env, command"),
        ("command: [x], headers: {A: b}", "'headers' is for remote agents; it does not go with 'command'"),
    ],
)
def test_what_is_wrong_with_a_remote_is_told(files: Files, agent: str, message: str) -> None:
    assert any(message in mistake for mistake in files.mistakes(f"agents: {{a: {{{agent}}}}}"))
