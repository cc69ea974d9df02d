"""The words of the command line."""

import argparse
import sys
from collections.abc import Sequence

DEFAULT_FILE = "supervisor.yaml"


class _Version(argparse.Action):
    """Prints the version; looked up only when asked for, as that reads the disk."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version  # noqa: PLC0415

        sys.stdout.write(f"trio-supervisor {version('trio-supervisor')}\n")
        parser.exit()


def parse(words: Sequence[str]) -> argparse.Namespace:
    """What a command line asks for; exits with 2 and a message if it is wrong."""
    parser = make_parser()
    options, rest = parser.parse_known_args(words)
    # argparse takes a list of words only in one piece: those after an option are left over.
    if rest and (options.command != "run" or any(word.startswith("-") for word in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        options.agents += rest
    return options


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands; the chosen one is in `command`."""
    parser = argparse.ArgumentParser(
        prog="trio-supervisor",
        description="One supervision tree for every agent you run.",
        epilog="Exit codes: 0 done, 1 gave up, 2 usage or configuration, 3 held by another supervisor, "
        "4 unknown agent, 5 something could not be killed.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_run(commands)
    _add_check(commands)
    _add_init(commands)
    commands.add_parser("schema", help="print the JSON Schema of the file, for editors")
    completion = commands.add_parser("completion", help="print the completion script of a shell")
    completion.add_argument("shell", choices=["bash", "fish", "zsh"])
    return parser


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", default=DEFAULT_FILE, metavar="FILE", help=f"default: {DEFAULT_FILE}")


def _add_run(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    run = commands.add_parser(
        "run",
        help="run the agents of a file until they are done or you stop them",
        description="Run the agents of a file. Ctrl-C stops them gracefully, a second Ctrl-C at once.",
    )
    _add_file(run)
    run.add_argument("agents", nargs="*", metavar="AGENT", help="run only these and what they depend on")
    run.add_argument("--log-format", choices=["text", "json"], default="text", help="default: text")
    run.add_argument(
        "--state-dir",
        metavar="DIR",
        help="where this run keeps its lock and its lease; default: $TRIO_SUPERVISOR_STATE_DIR, "
        "else a directory for each file in ~/.local/state/trio-supervisor",
    )
    run.add_argument("--stay", action="store_true", help="go on when nothing is left to run")
    run.add_argument(
        "--exit-code-from",
        metavar="AGENT",
        help="stop everything when AGENT has ended for good, and exit with its code",
    )


def _add_check(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    check = commands.add_parser("check", help="check a file, and say everything that is wrong with it")
    _add_file(check)
    check.add_argument(
        "--explain", action="store_true", help="print the file with every default, and where each value comes from"
    )


def _add_init(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    init = commands.add_parser("init", help="write a commented file to start from")
    _add_file(init)
    init.add_argument("--force", action="store_true", help="overwrite the file if it is there")
