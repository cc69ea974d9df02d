"""The file that `init` writes is right as it is, and what it runs is there."""

import subprocess
import sys

from tests.config.config_files import Files
from trio_supervisor.config.template import template
from trio_supervisor.core.policy import Condition
from trio_supervisor.spec import Limits, ProcessSpec, SecretFile


def test_the_template_loads_without_a_warning(files: Files) -> None:
    loaded = files.load(template())

    assert [child.id for child in loaded.spec.children] == ["prepare", "web", "worker"]
    assert dict(loaded.spec.children[1].depends_on) == {"prepare": Condition.FINISHED}
    assert loaded.warnings == ()


def test_the_template_needs_python_and_nothing_else(files: Files) -> None:
    for child in files.load(template()).spec.children:
        assert isinstance(child.run, ProcessSpec)
        assert child.run.command[0] == "python3"


def test_the_first_command_of_the_template_does_what_it_says(files: Files) -> None:
    run = files.load(template()).spec.children[0].run
    assert isinstance(run, ProcessSpec)

    done = subprocess.run([sys.executable, *run.command[1:]], capture_output=True, text=True, check=True)

    assert done.stdout == "everything is prepared\n"


def test_the_program_in_the_template_is_python(files: Files) -> None:
    run = files.children(template())["worker"].run
    assert isinstance(run, ProcessSpec)
    compile(run.command[-1], "worker", "exec")
    assert run.env == {"GREETING": "hello"}


def test_the_commented_agent_of_the_template_can_be_switched_on(files: Files) -> None:
    text = template().replace("  # poller:", "  poller:").replace("  #   task:", "    task:")
    assert "poller" in files.children(text)


def test_the_commented_keys_of_the_template_can_be_switched_on(files: Files) -> None:
    text = template().replace("    # secrets:", "    secrets:").replace("    # limits:", "    limits:")

    run = files.children(text)["worker"].run

    assert isinstance(run, ProcessSpec)
    assert run.secrets == {"API_KEY": SecretFile(str(files.directory / "api.key"))}
    assert run.limits == Limits(memory=2 * 1024**3, pids=200)


def test_editors_find_the_schema_in_the_first_line() -> None:
    assert template().startswith("# yaml-language-server: $schema=supervisor.schema.json\n")
