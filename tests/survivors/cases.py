"""Bad cases: agents that do what makes other supervisors leave something behind."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

HERE = Path(__file__).parent / "programs"
SUBJECTS = Path(__file__).parent.parent / "subjects" / "progs"

LEFT_TREES = "killed what had left all trees"
"""What `run` tells in the end of those whom only the guardian could find: of none of these cases."""
GUARDIAN_LOST = "has taken over"
_WRONG = (LEFT_TREES, "guardian", "Traceback", "could not be killed", "unkillable", "lease", "can't", "failed", "held")


@frozen
class Case:
    """Agents of a file, and what is seen of them."""

    name: str
    agents: Mapping[str, object]
    sign: str = "| in place"
    """What is printed when the bad thing is there."""
    signs: int = 1
    """So many times."""
    tells: tuple[str, ...] = ()
    """What a graceful stop has to tell that would be wrong elsewhere."""
    may_tell: tuple[str, ...] = ()
    """What it may tell, as it depends on who was faster."""
    provoke: bool = False
    """The agent is sent SIGTERM just before the end."""


def told(output: str, agent: str = r"\S+") -> list[str]:
    """The lines in which the supervisor itself has told something, of one agent or of all."""
    return re.findall(rf"^{agent} *\| ● .*$", output, re.MULTILINE)


def wrong(case: Case, output: str) -> list[str]:
    """What a graceful stop has told and should not have, and what it has not and should."""
    said = told(output)
    allowed = case.tells + case.may_tell
    news = [line for line in said for word in _WRONG if word in line and not any(text in line for text in allowed)]
    crashes = [line for line in output.splitlines() if "Traceback" in line]
    return news + crashes + [f"not told: {text}" for text in case.tells if not any(text in line for line in said)]


def ours(name: str, *arguments: str) -> list[str]:
    """The command that runs one of our programs."""
    return [sys.executable, "-S", str(HERE / name), *arguments]


def subject(name: str) -> list[str]:
    """The command that runs one of those of tests/subjects that need no packages."""
    return [sys.executable if name.endswith(".py") else "bash", str(SUBJECTS / name)]


def alone(name: str, command: list[str], sign: str = "| in place", **more: object) -> Case:
    """A case of one agent."""
    return Case(name, {"agent": {"command": command, **more}}, sign)


def shell(script: str) -> list[str]:
    """The command that runs a shell script."""
    return ["sh", "-c", script]


SLEEPER: Mapping[str, object] = {"command": ["sleep", "600"]}
_PYTHON = f"'{sys.executable}' -S '{HERE}"
_FINAL = {"restart": "temporary"}

IGNORES_TERM = alone("ignores TERM", subject("ignore_term.py"), "| ready")
DAEMON = alone("double fork and setsid", ours("daemon.py"))
CLEANED = Case("double fork, setsid, no environment", {"agent": {"command": ours("daemon.py", "cleaned")}})
LEFT = Case(
    "its leader is gone",
    {"agent": {"command": ours("daemon.py", "exit"), **_FINAL}, "other": SLEEPER},
    "finished",
)
LEFT_CLEANED = Case(
    "its leader is gone, no environment",
    {"agent": {"command": ours("daemon.py", "cleaned", "exit"), **_FINAL}, "other": SLEEPER},
    "finished",
)
PIPE = alone(
    "a grandchild keeps the pipe open", shell("(trap '' TERM; echo in place; exec sleep 600) & exec sleep 600")
)
WIDE = Case("fork storm, all from one", {"agent": {"command": ours("storm.py", "wide")}}, provoke=True)
CHAIN = Case(
    "fork storm, one from the other",
    {"agent": {"command": ours("storm.py", "chain")}},
    may_tell=(LEFT_TREES,),
    provoke=True,
)
WRAPPER_KILLED = Case(
    "kills its wrapper",
    {"agent": {"command": shell(f"setsid {_PYTHON}/kin.py' 1 & wait"), **_FINAL}, "other": SLEEPER},
    may_tell=("failed",),
)
GUARDIAN_KILLED = Case(
    "kills the guardian",
    {"agent": {"command": ours("kin.py", "1"), "depends_on": {"other": "ready"}}, "other": SLEEPER},
    GUARDIAN_LOST,
    tells=(GUARDIAN_LOST,),
)
SHELL = alone("wrapper: sh -c", shell(f"{_PYTHON}/daemon.py'; true"))
SWALLOWER = alone("wrapper: Python, swallows TERM", ours("swallow.py", *subject("ignore_term.py")), "| ready")
SPARSE = alone("wrapper: bash, does not forward", subject("wrapper_tree.sh"), "ready after", port="auto")
PROBE = alone("a probe leaves a daemon", ["sleep", "600"], "ready after", readiness={"exec": ours("daemon.py", "exit")})
PROBE_CLEANED = Case(
    "a probe leaves a daemon, no environment",
    {"agent": {"command": ["sleep", "600"], "readiness": {"exec": ours("daemon.py", "exit", "cleaned")}}},
    "ready after",
)

CASES = [
    IGNORES_TERM,
    DAEMON,
    CLEANED,
    LEFT,
    LEFT_CLEANED,
    PIPE,
    WIDE,
    CHAIN,
    WRAPPER_KILLED,
    GUARDIAN_KILLED,
    SHELL,
    SWALLOWER,
    SPARSE,
    PROBE,
    PROBE_CLEANED,
]
ALL = Case(
    "all of these at once",
    {
        "stubborn": {"command": subject("ignore_term.py")},
        "daemon": {"command": ours("daemon.py")},
        "cleaned": {"command": ours("daemon.py", "cleaned")},
        "pipe": PIPE.agents["agent"],
        "shell": SHELL.agents["agent"],
        "swallower": SWALLOWER.agents["agent"],
        "wide": {"command": ours("storm.py", "wide")},
    },
    "in place",
    5,
)
