"""How the report on mistakes looks."""

from tests.config.config_files import Files


def test_a_report_shows_place_line_caret_and_what_was_meant(files: Files) -> None:
    report = files.report("agents:\n  web:\n    comand: [x]\n    restart: sometimes\n")

    assert report == (
        "main.yaml:3:5: unknown key 'comand'; did you mean 'command'?\n"
        "    3 |     comand: [x]\n"
        "      |     ^^^^^^\n"
        "main.yaml:4:14: restart: must be one of permanent, transient, temporary, not 'sometimes'\n"
        "    4 |     restart: sometimes\n"
        "      |              ^^^^^^^^^"
    )


def test_the_caret_stands_below_after_wide_characters(files: Files) -> None:
    assert files.report("agents: {a: {command: [日本], x: 1}}").endswith(
        "\n    1 | agents: {a: {command: [日本], x: 1}}\n      | " + " " * 30 + "^"
    )


def test_the_caret_stands_below_after_combining_characters(files: Files) -> None:
    assert files.report("agents: {a: {command: [e\u0301], x: 1}}").endswith("      | " + " " * 27 + "^")


def test_the_caret_stands_below_after_tabs(files: Files) -> None:
    assert files.report("agents: {a: {command: [x],\t\tx: 1}}").endswith("      |                           \t\t^")


def test_a_long_line_is_cut_round_the_mistake(files: Files) -> None:
    report = files.report("agents: {a: {command: [%s], uups: 1, env: {X: %s}}}" % ("x" * 500, "y" * 500))  # noqa: UP031

    head, line, caret = report.splitlines()
    assert head == "main.yaml:1:527: unknown key 'uups'"
    assert len(line) < 130
    assert line[caret.index("^") : caret.rindex("^") + 1] == "uups"


def test_mistakes_stand_in_the_order_of_the_file(files: Files) -> None:
    mistakes = files.mistakes("agents: {a: {depends_on: [b], x: 1, command: 5}, é: {}}\nfoo: 1\n")
    assert [mistake.split(": ")[0] for mistake in mistakes] == ["1:27", "1:31", "1:46", "1:50", "1:50", "2:1"]


def test_what_a_terminal_could_take_for_a_command_is_not_shown(files: Files) -> None:
    report = files.report('agents: {a: {command: [x], "\\e[31mred": 1, restart: "\\e]0;title\\a"}}\n')

    assert "\x1b" not in report
    assert "\x07" not in report
    assert "unknown key '\N{REPLACEMENT CHARACTER}[31mred'" in report


def test_a_variable_that_is_not_unicode_can_be_shown(files: Files) -> None:
    files.environ["X"] = "\udcff"
    assert files.report('agents: {a: {command: [x], restart: "${X}"}}').encode()


def test_a_mistake_in_defaults_is_shown_once(files: Files) -> None:
    text = "defaults: {restart: never, health: {tcp: 5s}}\nagents:\n" + "".join(
        f"  a{n}: {{command: [x]}}\n" for n in range(9)
    )

    assert files.mistakes(text) == [
        "1:21: restart: must be one of permanent, transient, temporary, not 'never'",
        "1:42: tcp '5s': the port must be {port} or a number within 1 to 65535",
    ]


def test_a_mistake_in_defaults_that_no_agent_uses_is_shown_too(files: Files) -> None:
    text = (
        "defaults: {restart: never, foo: 1, health: {periodd: 5s}}\nagents: {a: {command: [x], restart: permanent}}\n"
    )

    assert files.mistakes(text) == [
        "1:21: restart: must be one of permanent, transient, temporary, not 'never'",
        "1:28: unknown key 'foo'",
        "1:45: unknown key 'periodd'; did you mean 'period'?",
    ]


def test_a_mistake_in_defaults_names_the_agents_for_which_it_is_one(files: Files) -> None:
    agents = "".join(f"  a{n}: {{}}\n" for n in range(5))
    text = 'defaults: {command: [x, "{port}"]}\nagents:\n  b: {port: auto}\n' + agents

    assert files.mistakes(text) == [
        "1:25: '{port}' needs the agent's port: write 'port: auto' (agents 'a0', 'a1', 'a2' and 2 more)"
    ]
