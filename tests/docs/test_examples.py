"""What the README and the docs show works as it stands there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from trio_supervisor.config.load import load
from trio_supervisor.config.plain import presets_table
from trio_supervisor.errors import ConfigError

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language: str) -> list[object]:
    """The code blocks of a language, each with its place as its id."""
    found: list[object] = []
    for page in PAGES:
        for match in re.finditer(rf"^```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE):
            line = page.read_text().count("\n", 0, match.start()) + 1
            found.append(pytest.param(match[1], id=f"{page.name}:{line}"))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("program", blocks("python"))
def test_a_program_runs_as_it_is_shown(program: str, tmp_path: Path) -> None:
    # Types are part of what is shown, so that it may be copied.
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=30
    )

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("text", blocks("yaml"))
def test_a_file_is_right_as_it_is_shown(text: str, tmp_path: Path) -> None:
    file = tmp_path / "supervisor.yaml"
    if text.startswith("  "):
        # A piece of a file, to be added to the agents of the one above it.
        text = "agents:\n  files: {command: [x]}\n" + text
    elif "agents:" not in text:
        text += "agents: {a: {command: [x]}}\n"
    file.write_text(text)

    load(file, environ={})


def test_the_example_at_the_root_is_right() -> None:
    loaded = load(ROOT / "supervisor.yaml", environ={})

    assert len(loaded.agents) >= 4
    assert not loaded.warnings


def test_a_wrong_example_would_be_found(tmp_path: Path) -> None:
    (tmp_path / "supervisor.yaml").write_text("agents: {a: {comand: [x]}}\n")

    with pytest.raises(ConfigError):
        load(tmp_path / "supervisor.yaml", environ={})


def test_every_link_to_a_file_leads_somewhere() -> None:
    broken = [
        f"{page.name}: {target}"
        for page in [*PAGES, ROOT / "ARCHITECTURE.md"]
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
        if not (page.parent / target).exists()
    ]

    assert broken == []


def test_the_table_of_presets_is_what_they_stand_for() -> None:
    text = (ROOT / "docs" / "reference.md").read_text()
    found = text.partition("presets_table -->\n")[2].partition("\n<!-- /presets -->")[0]

    assert found == presets_table(), "put the output of trio_supervisor.config.plain.presets_table() there"
