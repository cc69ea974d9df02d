"""Ports of several agents: none twice, and enough in every range."""

import pytest

from tests.config.config_files import Files


def test_a_port_that_two_agents_have_is_a_mistake_that_names_both_places(files: Files) -> None:
    assert files.mistakes(
        "agents:\n  a: {command: [x], port: 80}\n  b: {command: [x], port: '80'}\n  c: {command: [x], port: 80-80}\n"
    ) == [
        "3:27: port 80 is the port of agent 'a' already (main.yaml:2:27)",
        "4:27: port 80 is the port of agent 'a' already (main.yaml:2:27)",
    ]


def test_a_port_in_defaults_is_a_mistake_for_the_second_agent(files: Files) -> None:
    assert files.mistakes("defaults: {port: 80, command: [x]}\nagents: {a: , b: }\n") == [
        "1:18: port 80 is the port of agent 'a' already (main.yaml:1:18) (agent 'b')"
    ]


def test_a_disabled_agent_takes_no_port(files: Files) -> None:
    files.load("agents:\n  a: {command: [x], port: 80, enabled: false}\n  b: {command: [x], port: 80}\n")


@pytest.mark.parametrize(
    ("ports", "mistakes"),
    [
        (["1-2", "1-2"], []),
        (["1-2", "1-2", "1-2"], ["1-2: too few ports for the 3 agents that need one of them each"]),
        (["1", "1-2", "2"], ["1-2: too few ports for the 3 agents that need one of them each"]),
        (["1-3", "1", "2"], []),
        (["2-3", "1-3", "1-2"], []),
        (["2-3", "1-3", "1-2", "1-3"], ["1-3: too few ports for the 4 agents that need one of them each"]),
        (["1-9", "3-4", "3-4", "3-4", "8"], ["3-4: too few ports for the 3 agents that need one of them each"]),
        (
            ["1-2", "1-2", "1-2", "7-8", "7-8", "7-8", "7-8"],
            [
                "1-2: too few ports for the 3 agents that need one of them each",
                "7-8: too few ports for the 4 agents that need one of them each",
            ],
        ),
        (["auto"] * 100, []),
        (["auto"] * 101, ["19001-19100: too few ports for the 101 agents that need one of them each"]),
        (["auto"] * 100 + ["19050"], ["19001-19100: too few ports for the 101 agents that need one of them each"]),
    ],
)
def test_a_range_must_be_big_enough_for_all_that_need_it(files: Files, ports: list[str], mistakes: list[str]) -> None:
    text = "agents:\n" + "".join(f"  a{n}: {{command: [x], port: {port}}}\n" for n, port in enumerate(ports))

    if not mistakes:
        assert len(files.children(text)) == len(ports)
    else:
        assert [mistake.partition(": ")[2] for mistake in files.mistakes(text)] == mistakes
