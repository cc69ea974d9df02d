"""Supervisors under `agents:`: what each becomes, what it has of the one round it, and its own keys."""

import math
from signal import Signals

import pytest

from tests.config.config_files import Files
from trio_supervisor.config.keys import AGENT, SUBTREE
from trio_supervisor.core.policy import (
    AtLimit,
    AutoShutdown,
    Backoff,
    Condition,
    Intensity,
    Profile,
    Restart,
    Strategy,
)
from trio_supervisor.spec import ChildSpec, ProcessSpec, SignalStep, StopStep, SupervisorSpec


def _inner(child: ChildSpec) -> SupervisorSpec:
    assert isinstance(child.run, SupervisorSpec)
    return child.run


def _agents(spec: SupervisorSpec, *path: str) -> dict[str, ChildSpec]:
    """The children of a supervisor somewhere in a tree, by id."""
    children = {child.id: child for child in spec.children}
    return _agents(_inner(children[path[0]]), *path[1:]) if path else children


def test_a_supervisor_is_a_child_with_children_in_their_order(files: Files) -> None:
    loaded = files.load("""
agents:
  a: {command: [a]}
  team:
    supervisor: {strategy: one_for_all}
    agents:
      planner: {command: [planner]}
      coder: {command: [coder]}
  b: {command: [b]}
""")

    def process(id: str) -> ChildSpec:
        return ChildSpec(id, ProcessSpec((id,), cwd=str(files.directory)))

    team = SupervisorSpec((process("planner"), process("coder")), strategy=Strategy.ONE_FOR_ALL)
    assert loaded.spec == SupervisorSpec((process("a"), ChildSpec("team", team), process("b")))
    assert loaded.agents == ("a", "team/planner", "team/coder", "b")


def test_every_key_of_a_supervisor_reaches_its_spec(files: Files) -> None:
    spec = files.load("""
supervisor:
  profile: otp
  strategy: rest_for_one
  intensity: {restarts: 2, within: 9s}
  at_limit: pause
  auto_shutdown: all_significant
  stop_deadline: infinity
  max_parallel_starts: 7
agents:
  a: {command: [x], restart: temporary, significant: true}
""").spec

    assert spec == SupervisorSpec(
        spec.children,
        profile=Profile.OTP,
        strategy=Strategy.REST_FOR_ONE,
        intensity=Intensity(2, 9.0),
        at_limit=AtLimit.PAUSE,
        auto_shutdown=AutoShutdown.ALL_SIGNIFICANT,
        stop_deadline=math.inf,
        max_parallel_starts=7,
    )


def test_what_a_profile_decides_is_left_open(files: Files) -> None:
    spec = files.load("supervisor: {profile: otp}\nagents: {a: {command: [x]}}").spec
    (child,) = spec.children

    assert (spec.intensity, spec.at_limit, spec.stop_deadline) == (None, None, None)
    assert (child.backoff, child.stop, child.intensity) == (None, None, None)


def test_a_supervisor_has_the_keys_of_a_child_that_make_sense_for_it(files: Files) -> None:
    loaded = files.load("""
supervisor: {auto_shutdown: any_significant}
agents:
  db: {command: [x]}
  team:
    supervisor:
    agents: {a: {command: [x]}}
    restart: transient
    significant: true
    intensity: {restarts: 1, within: 1m}
    start_timeout: 20s
    backoff: {initial: 3s}
    depends_on: {db: started}
    binds_to: [db]
    stop: {grace: 20s}
    enabled: true
    x-note: anything
""")

    team = _agents(loaded.spec)["team"]
    assert team == ChildSpec(
        "team",
        team.run,
        restart=Restart.TRANSIENT,
        significant=True,
        backoff=Backoff(initial=3.0),
        intensity=Intensity(1, 60.0),
        start_timeout=20.0,
        depends_on={"db": Condition.STARTED},
        binds_to=("db",),
        stop=(SignalStep(wait=20.0),),
    )


def test_supervisors_are_nested_to_any_depth(files: Files) -> None:
    depth = 25
    text = "agents: " + "{t: {agents: " * depth + "{a: {command: [x]}}" + "}}" * depth
    loaded = files.load(text)

    assert list(_agents(loaded.spec, *["t"] * depth)) == ["a"]
    assert loaded.agents == ("t/" * depth + "a",)


def test_supervisors_nested_deeper_than_a_file_may_be_are_refused(files: Files) -> None:
    text = "agents: " + "{t: {agents: " * 40 + "{a: {command: [x]}}" + "}}" * 40
    (mistake,) = files.mistakes(text)
    assert mistake.endswith("nested more than 64 deep")


def test_an_inner_supervisor_has_the_profile_of_the_outer_one_unless_it_is_written(files: Files) -> None:
    spec = files.load("""
supervisor: {profile: otp}
agents:
  same: {agents: {a: {command: [x]}}}
  also: {supervisor: {strategy: one_for_all}, agents: {a: {command: [x]}}}
  fleet:
    supervisor: {profile: fleet}
    agents:
      same: {supervisor: {intensity: {restarts: 9}}, agents: {a: {command: [x]}}}
      otp: {supervisor: {profile: otp}, agents: {a: {command: [x]}}}
""").spec

    profiles = {child.id: _inner(child).profile for child in spec.children}
    assert profiles == {"same": Profile.OTP, "also": Profile.OTP, "fleet": Profile.FLEET}
    inner = {id: _inner(child).profile for id, child in _agents(spec, "fleet").items()}
    assert inner == {"same": Profile.FLEET, "otp": Profile.OTP}


def test_nothing_but_the_profile_is_inherited(files: Files) -> None:
    spec = files.load("""
supervisor: {strategy: one_for_all, intensity: {restarts: 1}, at_limit: escalate, stop_deadline: 1m}
agents: {t: {agents: {a: {command: [x]}}}}
""").spec
    assert _inner(spec.children[0]) == SupervisorSpec(_inner(spec.children[0]).children)


def test_defaults_are_for_the_agents_at_every_level_and_not_for_supervisors(files: Files) -> None:
    spec = files.load("""
defaults: {command: [x], restart: transient, grace: 3s, backoff: {max: 9s}}
agents:
  a:
  team:
    agents:
      b: {restart: temporary}
      deeper: {agents: {c: }}
""").spec

    assert _agents(spec)["a"].restart is Restart.TRANSIENT
    assert _agents(spec, "team")["b"].restart is Restart.TEMPORARY
    c = _agents(spec, "team", "deeper")["c"]
    assert (c.restart, c.stop, c.backoff) == (Restart.TRANSIENT, (SignalStep(wait=3.0),), Backoff(max=9.0))
    team = _agents(spec)["team"]
    assert team == ChildSpec("team", team.run)


def test_paths_and_variables_in_a_supervisor_of_an_included_file_are_those_of_that_file(files: Files) -> None:
    files.write("sub/.env", "KEY=sub\n")
    files.write("sub/b.yaml", "env_file: .env\nagents: {team: {agents: {a: {command: [./a], cwd: here}}}}\n")
    spec = files.load("include: sub/b.yaml\nsupervisor: {profile: otp}\n").spec

    run = _agents(spec, "team")["a"].run
    assert run == ProcessSpec(("./a",), cwd=str(files.directory / "sub" / "here"), env={"KEY": "sub"})
    assert _inner(spec.children[0]).profile is Profile.OTP


def test_the_same_ids_may_stand_in_several_supervisors(files: Files) -> None:
    loaded = files.load("""
agents:
  a: {command: [x]}
  one: {agents: &agents {a: {command: [x]}, one: {command: [x]}}}
  two: {agents: *agents}
""")
    assert loaded.agents == ("a", "one/a", "one/one", "two/a", "two/one")


@pytest.mark.parametrize(
    ("grace", "stop"),
    [
        ("kill", ()),
        ("5s", (SignalStep(Signals.SIGTERM, 5.0),)),
        ("0s", (SignalStep(wait=0.0),)),
        ("0", (SignalStep(wait=0.0),)),
        ("infinity", (SignalStep(wait=math.inf),)),
        ("null", None),
    ],
)
@pytest.mark.parametrize("what", ["command: [x]", "task: 'm:f'", "agents: {a: {command: [x]}}"])
def test_grace_is_short_for_stop(files: Files, what: str, grace: str, stop: tuple[StopStep, ...] | None) -> None:
    assert files.child(f"agents: {{t: {{{what}, grace: {grace}}}}}").stop == stop


def test_a_grace_without_limit_may_have_a_signal_of_its_own(files: Files) -> None:
    child = files.child("agents: {a: {command: [x], stop: {signal: INT, grace: infinity}}}")
    assert child.stop == (SignalStep(Signals.SIGINT, math.inf),)


def test_of_grace_and_stop_the_own_one_wins_over_the_default(files: Files) -> None:
    children = files.children("""
defaults: {command: [x], stop: {signal: INT, grace: 3s}}
agents: {a: , b: {grace: kill}, c: {stop: {grace: 4s}}, d: {stop: null}}
""")
    assert [child.stop for child in children.values()] == [
        (SignalStep(Signals.SIGINT, 3.0),),
        (),
        (SignalStep(Signals.SIGINT, 4.0),),
        None,
    ]

    children = files.children("defaults: {command: [x], grace: kill}\nagents: {a: , b: {stop: {signal: INT}}}\n")
    assert [child.stop for child in children.values()] == [(), (SignalStep(Signals.SIGINT),)]


def test_of_grace_and_stop_the_inner_defaults_win_over_the_outer_ones(files: Files) -> None:
    files.write("b.yaml", "defaults: {grace: kill}\nagents: {b: {command: [x]}}\n")
    children = files.children("include: b.yaml\ndefaults: {stop: {signal: INT}}\nagents: {a: {command: [x]}}\n")
    assert {id: child.stop for id, child in children.items()} == {"a": (SignalStep(Signals.SIGINT),), "b": ()}


@pytest.mark.parametrize(
    ("written", "mistakes"),
    [
        (
            "{command: [x], grace: 5s, stop: {signal: INT}}",
            ["2:21: 'grace' does not go with 'stop': write only one of them"],
        ),
        (
            "{agents: {a: {command: [x]}}, stop: {grace: 1s}, grace: kill}",
            ["2:55: 'grace' does not go with 'stop': write only one of them"],
        ),
    ],
)
def test_grace_and_stop_together_are_a_mistake(files: Files, written: str, mistakes: list[str]) -> None:
    assert files.mistakes(f"agents:\n  t: {written}\n") == mistakes


def test_grace_and_stop_together_in_defaults_are_a_mistake_once(files: Files) -> None:
    assert files.mistakes("defaults: {grace: 5s, stop: {}}\nagents: {a: {command: [x]}, b: {command: [x]}}\n") == [
        "1:12: 'grace' does not go with 'stop': write only one of them"
    ]


# Mistakes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "mistakes"),
    [
        ("supervisor: {}", ["2:3: supervisor 'team' has no agents: write them under `agents:`, beside `supervisor:`"]),
        ("agents:", ["2:3: supervisor 'team' has no agents: write them under `agents:`, beside `supervisor:`"]),
        ("agents: {}", ["2:3: supervisor 'team' has no agents: write them under `agents:`, beside `supervisor:`"]),
        ("agents: [a]", ["3:13: agents: must be a mapping from names to agents, not a list"]),
        ("agents: ${X}", ["3:13: agents: variable X is not set; ${X:-default} gives it a default"]),
        ("{agents: {a: {command: [x]}}, supervisor: []}", ["3:47: supervisor: must be a mapping, not a list"]),
        (
            "{agents: {a: {command: [x]}}, supervisor: {strategy: one_for_al}}",
            [
                "3:58: strategy: must be one of one_for_one, one_for_all, rest_for_one, not 'one_for_al'; "
                "did you mean 'one_for_all'?"
            ],
        ),
        ("{agents: {a: {command: [x]}}, command: [x]}", ["3:35: 'command' is for agents that are no supervisor"]),
        (
            "{agents: {a: {command: [x]}}, strategy: one_for_all}",
            ["3:35: 'strategy' stands under 'supervisor', beside 'agents'"],
        ),
        (
            "{agents: {a: {command: [x]}}, stop: {signal: INT}}",
            ["3:42: 'signal' is for processes; a supervisor is told to stop its agents"],
        ),
        ("{agents: {a: {command: [x]}}, supervsor: {}}", ["3:35: unknown key 'supervsor'; did you mean 'supervisor'?"]),
        ("{agents: {a: {comand: [x]}}}", ["3:19: unknown key 'comand'; did you mean 'command'?"]),
        (
            "{agents: {a_b: {command: [x]}}}",
            ["3:15: id 'a_b': must be 1 to 64 letters, digits and hyphens, starting with a letter or digit"],
        ),
        (
            "{agents: {a: {command: [x]}, A: {command: [x]}}}",
            ["3:34: agents 'A' and 'a' (main.yaml:3:15) differ only in case"],
        ),
        ("{agents: {a: 5}}", ["3:18: must be a mapping of an agent's keys, not the number 5"]),
        (
            "{agents: {a: {agents: {b: {restart: no}}}}}",
            [
                "3:28: agent 'b' needs 'command' (a process), 'task' (a function), "
                "'remote' (a URL), 'container' or 'agents' (a supervisor)",
                "3:41: restart: must be one of permanent, transient, temporary, not 'no'",
            ],
        ),
    ],
)
def test_a_mistake_in_a_supervisor_has_its_place(files: Files, written: str, mistakes: list[str]) -> None:
    assert files.mistakes(f"agents:\n  team:\n    {written}\n") == mistakes


@pytest.mark.parametrize("name", sorted(AGENT.keys() - SUBTREE.keys()))
def test_what_only_an_agent_has_no_supervisor_has(files: Files, name: str) -> None:
    (mistake,) = files.mistakes(f"agents:\n  team:\n    agents: {{a: {{command: [x]}}}}\n    {name}: 1\n")
    assert mistake == f"4:5: '{name}' is for agents that are no supervisor"


@pytest.mark.parametrize("name", ["supervisor", "agents"])
def test_defaults_make_no_supervisors(files: Files, name: str) -> None:
    assert files.mistakes(f"defaults: {{{name}: {{}}}}\nagents: {{a: {{command: [x]}}}}\n") == [
        f"1:12: '{name}' can't stand in defaults, which are not for supervisors"
    ]


def test_a_mistake_in_defaults_names_the_agent_by_its_path(files: Files) -> None:
    text = 'defaults: {command: [x, "{port}"]}\nagents: {team: {agents: {a: , b: {port: auto}}}}\n'
    assert files.mistakes(text) == ["1:25: '{port}' needs the agent's port: write 'port: auto' (agent 'team/a')"]


def test_a_port_is_unique_in_the_whole_tree(files: Files) -> None:
    assert files.mistakes("""\
agents:
  one: {agents: {a: {command: [x], port: 80}}}
  two: {agents: {a: {command: [x], port: 80}, off: {command: [x], port: 80, enabled: false}}}
  off: {enabled: false, agents: {a: {command: [x], port: 80}}}
""") == ["3:42: port 80 is the port of agent 'one/a' already (main.yaml:2:42)"]


def test_a_range_must_be_big_enough_for_the_whole_tree(files: Files) -> None:
    assert files.mistakes("""\
agents:
  a: {command: [x], port: 1-2}
  t: {agents: {a: {command: [x], port: 1-2}, u: {agents: {a: {command: [x], port: 1-2}}}}}
""") == ["3:83: 1-2: too few ports for the 3 agents that need one of them each"]


def test_defaults_that_are_big_for_agents_at_any_depth_are_refused(files: Files) -> None:
    env = ", ".join(f"K{n}: v" for n in range(2_000))
    agents = ", ".join(f"a{n}: " for n in range(1_000))
    (mistake,) = files.mistakes(
        f"defaults: {{command: [x], env: {{{env}}}}}\nagents: {{t: {{agents: {{{agents}}}}}}}\n"
    )
    assert mistake == "1:11: defaults of 4,006 values for 1,001 agents are more than 1,000,000 in all"


# Significant ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("auto_shutdown", ["any_significant", "all_significant"])
@pytest.mark.parametrize("restart", ["transient", "temporary"])
def test_the_end_of_a_significant_agent_may_end_its_supervisor(files: Files, auto_shutdown: str, restart: str) -> None:
    child = files.child(
        f"supervisor: {{auto_shutdown: {auto_shutdown}}}\n"
        f"agents: {{a: {{command: [x], significant: true, restart: {restart}}}}}"
    )
    assert child.significant


@pytest.mark.parametrize(
    ("supervisor", "agent", "mistakes"),
    [
        ("{}", "restart: transient", ["auto_shutdown"]),
        ("{auto_shutdown: never}", "restart: temporary", ["auto_shutdown"]),
        ("{auto_shutdown: any_significant}", "restart: permanent", ["restart"]),
        ("{auto_shutdown: all_significant}", "enabled: true", ["restart"]),
        ("{}", "enabled: true", ["auto_shutdown", "restart"]),
    ],
)
def test_significant_goes_neither_with_never_nor_with_permanent(
    files: Files, supervisor: str, agent: str, mistakes: list[str]
) -> None:
    messages = {
        "auto_shutdown": "significant needs a supervisor whose auto_shutdown is any_significant or all_significant",
        "restart": "significant does not go with restart permanent: write restart: transient or temporary",
    }
    text = f"supervisor: {supervisor}\nagents:\n  a: {{command: [x], significant: true, {agent}}}\n"
    assert files.mistakes(text) == [f"3:34: {messages[name]}" for name in mistakes]


def test_it_is_the_nearest_supervisor_that_counts_for_significant(files: Files) -> None:
    text = """\
supervisor: {auto_shutdown: any_significant}
defaults: {command: [x]}
agents:
  team:
    agents: {a: {significant: true, restart: transient}}
    significant: true
    restart: transient
"""
    assert files.mistakes(text) == [
        "5:31: significant needs a supervisor whose auto_shutdown is any_significant or all_significant"
    ]
    files.load(text.replace("team:\n", "team:\n    supervisor: {auto_shutdown: all_significant}\n"))


def test_significant_in_defaults_names_the_agents_that_can_not_have_it(files: Files) -> None:
    (mistake,) = files.mistakes("""\
supervisor: {auto_shutdown: any_significant}
defaults: {command: [x], significant: true, restart: transient}
agents: {a: , team: {agents: {b: , c: {significant: false}}}}
""")
    assert mistake.startswith("2:39: significant needs a supervisor whose auto_shutdown is ")
    assert mistake.endswith(" (agent 'team/b')")


def test_what_is_written_wrongly_is_not_judged_further(files: Files) -> None:
    text = "supervisor: {auto_shutdown: nope}\nagents: {a: {command: [x], significant: true, restart: nope}}\n"
    assert [mistake.partition(": ")[2].partition(":")[0] for mistake in files.mistakes(text)] == [
        "auto_shutdown",
        "restart",
    ]
