"""The words of the command line."""

import argparse
import itertools
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from trio_supervisor.cli import exit_codes
from trio_supervisor.cli.control_arguments import CONTROL, Commands, add_control, add_url, seconds

DEFAULT_FILE = "supervisor.yaml"
_HIDDEN = "names"
"""Not for people."""


class _UsageError(Exception):
    """The command line is wrong; `parser` knows how it would be right."""

    def __init__(self, parser: argparse.ArgumentParser, message: str) -> None:
        super().__init__(message)
        self.parser = parser


class _Parser(argparse.ArgumentParser):
    """Says nothing itself."""

    commands: "Commands[argparse.ArgumentParser] | None" = None

    def error(self, message: str) -> NoReturn:
        """Raises _UsageError."""
        raise _UsageError(self, message)


class _Version(argparse.Action):
    """Prints the version; looked up only when asked for, as that reads the disk."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version  # noqa: PLC0415

        sys.stdout.write(f"trio-supervisor {version('trio-supervisor')}\n")
        parser.exit()


def parse(words: Sequence[str]) -> argparse.Namespace:
    """What a command line asks for; exits with 2 and a message if it is wrong."""
    try:
        return _parse(words)
    except _UsageError as error:
        if "--json" in itertools.takewhile(lambda word: word != "--", words):
            from trio_supervisor.cli.faults import tell_usage  # noqa: PLC0415 -- only for mistakes

            tell_usage(str(error), exit_codes.USAGE)
            sys.exit(exit_codes.USAGE)
        error.parser.print_usage(sys.stderr)
        error.parser.exit(exit_codes.USAGE, f"{error.parser.prog}: error: {error}\n")


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = make_parser(words[:1])
    assert parser.commands is not None
    if words and not words[0].startswith("-") and words[0] not in parser.commands.choices:
        from trio_supervisor.config.mistakes import did_you_mean  # noqa: PLC0415 -- only for this

        hint = did_you_mean(words[0], sorted({*_COMMANDS, *CONTROL} - {_HIDDEN}))
        parser.error(f"there is no command {words[0]!r}{hint} (all: {parser.prog} --help)")
    command: list[str] = []
    if words[:1] == ["add"] and "--" in words:
        # What follows is another program's, whatever it looks like.
        end = list(words).index("--")
        words, command = words[:end], list(words[end + 1 :])
    options, rest = parser.parse_known_args(words)
    if command:
        options.words = command
    # argparse takes a list of words only in one piece: those after an option are left over.
    if rest and (not hasattr(options, "agents") or any(word.startswith("-") for word in rest)):
        parser.commands.choices[options.command].error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        options.agents += rest
    return options


def make_parser(words: Sequence[str] = ()) -> _Parser:
    """The parser of all commands; the chosen one is in `command`.

    `words`: the command, if it is known already: then there are no others, as to make them takes longer than all else.
    """
    chosen = words[0] if words and words[0] in {*_COMMANDS, *CONTROL} else None
    parser = _Parser(
        prog="trio-supervisor",
        description="One supervision tree for every agent you run.",
        epilog="Exit codes: 0 done, 1 gave up or not done, 2 usage or configuration, 3 no supervisor answers, "
        "or another one holds the file, 4 unknown agent, 5 something could not be killed.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    # With `prog` given it need not be formatted, which would import a dozen modules.
    commands: Commands[argparse.ArgumentParser] = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, prog=parser.prog, parser_class=_Parser
    )
    parser.commands = commands
    for name, add in _COMMANDS.items():
        if chosen in (None, name):
            add(commands)
    add_control(commands, chosen)
    return parser


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", default=DEFAULT_FILE, metavar="FILE", help=f"default: {DEFAULT_FILE}")


def _add_run(commands: "Commands[argparse.ArgumentParser]") -> None:
    run = commands.add_parser(
        "run",
        help="run the agents of a file until they are done or you stop them",
        description="Run the agents of a file. Ctrl-C stops them gracefully, a second Ctrl-C at once.",
    )
    _add_what(run)
    run.add_argument(
        "-d",
        "--detach",
        action="store_true",
        help="return when it is up, and let it run on; its output goes to supervisor.log in its state directory",
    )
    run.add_argument("--stay", action="store_true", help="go on when nothing is left to run")
    run.add_argument(
        "--exit-code-from",
        metavar="AGENT",
        help="stop everything when AGENT has ended for good, and exit with its code",
    )
    run.set_defaults(report=None)


def _add_up(commands: "Commands[argparse.ArgumentParser]") -> None:
    up = commands.add_parser(
        "up",
        help="have the agents of a file run in the background; with --wait, until all are ready",
        description="Run the agents of a file detached, unless they run already. shutdown stops them.",
    )
    _add_what(up)
    up.add_argument("--wait", action="store_true", help="wait until all that shall be are ready; 1 if one will not be")
    up.add_argument("--timeout", type=seconds, metavar="TIME", help="wait at the most so long (10, 10s, 2m)")
    up.add_argument("--stay", action="store_true", help="go on when nothing is left to run")
    up.set_defaults(report=None, exit_code_from=None)


def _add_what(run: argparse.ArgumentParser) -> None:
    """What is run, and where its words and its state go."""
    _add_file(run)
    run.add_argument("agents", nargs="*", metavar="AGENT", help="run only these and what they depend on")
    run.add_argument("--log-format", choices=["text", "json"], default="text", help="default: text")
    run.add_argument(
        "--log-file", metavar="FILE", help="write what is said into this file too; rotated at 10 MiB, 5 are kept"
    )
    run.add_argument(
        "--state-dir",
        metavar="DIR",
        help="where this run keeps its lock, its lease and its journal; default: $TRIO_SUPERVISOR_STATE_DIR, "
        "else a directory for each file in ~/.local/state/trio-supervisor",
    )
    run.add_argument(
        "--fresh", action="store_true", help="forget what earlier runs have left held, stopped, or near its limit"
    )
    run.add_argument("--watch", action="store_true", help="apply the file whenever it has changed; goes on like --stay")
    _add_listen(run)


def _add_names(commands: "Commands[argparse.ArgumentParser]") -> None:
    names = commands.add_parser(_HIDDEN)  # without help: for the scripts of `completion` only
    names.add_argument("--file", default=DEFAULT_FILE)
    names.add_argument("--state-dir")
    names.add_argument("--socket")
    names.add_argument("--of-file", action="store_true")
    add_url(names)


def _add_listen(run: argparse.ArgumentParser) -> None:
    run.add_argument(
        "--listen",
        metavar="HOST:PORT",
        help="take commands over TCP too, from who shows a token; unencrypted, so best 127.0.0.1:PORT",
    )
    run.add_argument(
        "--operate-token-file", metavar="FILE", help="the token to command; or $TRIO_SUPERVISOR_OPERATE_TOKEN"
    )
    run.add_argument(
        "--observe-token-file", metavar="FILE", help="the token to look only; or $TRIO_SUPERVISOR_OBSERVE_TOKEN"
    )
    run.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name that clients call this machine, as a proxy does; addresses and localhost need none",
    )


def _add_check(commands: "Commands[argparse.ArgumentParser]") -> None:
    check = commands.add_parser("check", help="check a file, and say everything that is wrong with it")
    _add_file(check)
    check.add_argument(
        "--explain", action="store_true", help="print the file with every default, and where each value comes from"
    )


def _add_init(commands: "Commands[argparse.ArgumentParser]") -> None:
    init = commands.add_parser("init", help="write a commented file to start from")
    _add_file(init)
    init.add_argument("--force", action="store_true", help="overwrite the file if it is there")


def _add_events(commands: "Commands[argparse.ArgumentParser]") -> None:
    events = commands.add_parser(
        "events",
        help="print what has happened: changes of state, exits, orders",
        description="Print what has happened, from the journal: while the agents run, and after that.",
    )
    events.add_argument("--since", metavar="TIME", help="only what is not older: a time, or a duration such as 2h")
    events.add_argument("--agent", metavar="PATH", default="", help="only what is about this one, or in it")
    events.add_argument("-f", "--follow", action="store_true", help="go on with what comes")
    events.add_argument("--json", action="store_true", help="one object per line")
    events.add_argument("--file", metavar="FILE", default=DEFAULT_FILE, help=f"default: {DEFAULT_FILE}")
    events.add_argument("--state-dir", metavar="DIR", help="where its run keeps its state, as for run")
    add_url(events)
    events.set_defaults(socket=None)


def _add_schema(commands: "Commands[argparse.ArgumentParser]") -> None:
    commands.add_parser("schema", help="print the JSON Schema of the file, for editors")


def _add_completion(commands: "Commands[argparse.ArgumentParser]") -> None:
    completion = commands.add_parser("completion", help="print the completion script of a shell")
    completion.add_argument("shell", choices=["bash", "fish", "zsh"])


_COMMANDS: dict[str, Callable[["Commands[argparse.ArgumentParser]"], None]] = {
    "run": _add_run,
    "up": _add_up,
    "check": _add_check,
    "init": _add_init,
    "schema": _add_schema,
    "events": _add_events,
    "names": _add_names,
    "completion": _add_completion,
}
"""Those that ask no supervisor."""
