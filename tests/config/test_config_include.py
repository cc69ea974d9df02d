"""Files that include others: what is added, what starts where, and which mistakes only they can have."""

from tests.config.config_files import Files
from trio_supervisor.core.policy import Restart
from trio_supervisor.spec import ProcessSpec, SignalStep, TaskSpec


def test_the_agents_of_included_files_are_added_in_order(files: Files) -> None:
    files.write("b.yaml", "include: sub/c.yaml\nagents: {b: {command: [x]}}\n")
    files.write("sub/c.yaml", "version: 1\nagents: {c: {command: [x]}}\n")
    files.write("d.yaml", "agents: {d: {command: [x], depends_on: [a, c]}}\n")

    children = files.children("include: [b.yaml, d.yaml]\nagents: {a: {command: [x], depends_on: [b]}}\n")

    assert list(children) == ["a", "b", "c", "d"]


def test_a_file_may_do_nothing_but_include(files: Files) -> None:
    files.write("b.yaml", "agents: {b: {command: [x]}}\n")
    assert list(files.children("include: b.yaml\n")) == ["b"]


def test_paths_start_at_the_directory_of_the_file_in_which_they_stand(files: Files) -> None:
    files.write("sub/.env", "KEY=sub\n")
    files.write("sub/own.env", "OWN=own\n")
    files.write(
        "sub/b.yaml",
        """
env_file: .env
agents:
  b: {command: [./b], cwd: work, env_file: own.env}
  c: {command: [./c]}
  t: {task: "m:f"}
""",
    )
    children = files.children("include: ./sub/b.yaml\ndefaults: {cwd: here}\nagents: {a: {command: [./a]}}\n")

    root, sub = files.directory, files.directory / "sub"
    assert children["a"].run == ProcessSpec(("./a",), cwd=str(root / "here"))
    assert children["b"].run == ProcessSpec(("./b",), cwd=str(sub / "work"), env={"KEY": "sub", "OWN": "own"})
    assert children["c"].run == ProcessSpec(("./c",), cwd=str(root / "here"), env={"KEY": "sub"})
    assert children["t"].run == TaskSpec("m:f", path=str(sub))


def test_variables_and_defaults_reach_included_files_under_their_own(files: Files) -> None:
    files.write("root.env", "A=root\nB=root\n")
    files.write("sub.env", "B=sub\n")
    files.write(
        "b.yaml",
        """
env_file: sub.env
defaults: {restart: transient}
agents: {b: {command: [x, "${A}", "${B}"]}}
""",
    )
    children = files.children("""
include: b.yaml
env_file: root.env
defaults: {restart: temporary, stop: {grace: 1s}}
agents: {a: {command: [x, "${B}"]}}
""")

    runs = [child.run for child in children.values() if isinstance(child.run, ProcessSpec)]
    assert [run.command for run in runs] == [("x", "root"), ("x", "root", "sub")]
    assert [child.restart for child in children.values()] == [Restart.TEMPORARY, Restart.TRANSIENT]
    assert [child.stop for child in children.values()] == [(SignalStep(wait=1.0),)] * 2


def test_an_agent_in_two_files_is_a_mistake_that_names_both_places(files: Files) -> None:
    files.write("b.yaml", "agents:\n  a: {command: [x]}\n  C: {command: [x]}\n")
    assert files.mistakes("include: b.yaml\nagents: {a: {command: [x]}, c: {command: [x]}}\n") == [
        "b.yaml:2:3: agent 'a' is there already, at main.yaml:2:10",
        "b.yaml:3:3: agents 'C' and 'c' (main.yaml:2:29) differ only in case",
    ]


def test_files_that_include_each_other_are_shown_as_a_path(files: Files) -> None:
    files.write("b.yaml", "include: sub/c.yaml\n")
    files.write("sub/c.yaml", "include: ../main.yaml\n")

    assert files.mistakes("include: b.yaml\nagents: {a: {command: [x]}}\n") == [
        "sub/c.yaml:1:10: files include each other: main.yaml -> b.yaml -> sub/c.yaml -> main.yaml"
    ]


def test_a_file_that_includes_itself_is_found_through_a_link(files: Files) -> None:
    (files.directory / "link.yaml").symlink_to("main.yaml")
    assert files.mistakes("include: link.yaml\nagents: {a: {command: [x]}}\n") == [
        "1:10: files include each other: main.yaml -> main.yaml"
    ]


def test_a_file_that_is_included_twice_is_a_mistake(files: Files) -> None:
    files.write("b.yaml", "include: c.yaml\n")
    files.write("c.yaml", "agents: {c: {command: [x]}}\n")

    assert files.mistakes("include: [b.yaml, ./c.yaml]\n") == [
        "1:19: c.yaml is included a second time, first at b.yaml:1:10"
    ]


def test_the_supervisor_stands_in_the_file_that_is_run(files: Files) -> None:
    files.write("b.yaml", "supervisor: {}\nagents: {b: {command: [x]}}\n")
    assert files.mistakes("include: b.yaml\n") == [
        "b.yaml:1:1: 'supervisor' stands only in the file that is run, not in one that is included"
    ]


def test_mistakes_of_all_files_come_together_and_in_order(files: Files) -> None:
    files.write("b.yaml", "agents: {b: {command: [x], restart: x}}\n")
    files.write("c.yaml", "agents: [\n")
    files.write("e.yaml", "")

    assert files.mistakes("include: [b.yaml, c.yaml, d.yaml, e.yaml, 5]\nagents: {a: {command: [x], port: x}}\n") == [
        "1:27: can't read d.yaml: no such file",
        '1:43: must be text: write "5" in quotes',
        "2:34: port: must be auto, a number, or a range such as 19001-19100, not 'x'",
        "b.yaml:1:37: restart: must be one of permanent, transient, temporary, not 'x'",
        "c.yaml:2:1: this is no YAML: did not find expected node content",
        "e.yaml:1:1: the file is empty: it needs at least `agents:`",
    ]


def test_agents_that_may_be_in_an_unreadable_file_are_not_called_unknown(files: Files) -> None:
    assert files.mistakes("include: no.yaml\nagents: {a: {command: [x], depends_on: [b, a]}}\n") == [
        "1:10: can't read no.yaml: no such file",
        "2:44: agent 'a' depends on itself",
    ]


def test_more_files_than_anybody_has_are_refused(files: Files) -> None:
    for number in range(150):
        files.write(f"{number}.yaml", f"include: {number + 1}.yaml\n")
    files.write("150.yaml", "agents: {a: {command: [x]}}\n")

    assert files.mistakes("include: 0.yaml\n") == ["99.yaml:1:10: more than 100 files"]


def test_the_name_of_an_included_file_may_hold_variables(files: Files) -> None:
    files.write(".env", "STAGE=dev\n")
    files.write("dev.yaml", "agents: {a: {command: [x]}}\n")
    assert list(files.children("env_file: .env\ninclude: ${STAGE}.yaml\n")) == ["a"]


def test_a_link_to_the_file_is_its_own_directory_and_its_real_path(files: Files) -> None:
    real = files.write("releases/1/main.yaml", "agents: {a: {command: [x]}}\n")
    (files.directory / "main.yaml").symlink_to(real)

    loaded = files.load(real.read_text())

    assert loaded.path == str(real)
    assert loaded.spec.children[0].run == ProcessSpec(("x",), cwd=str(files.directory))
