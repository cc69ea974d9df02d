"""The words of the commands for a supervisor that runs."""

import argparse
from collections.abc import Callable

DEFAULT_FILE = "supervisor.yaml"
Commands = argparse._SubParsersAction  # which knows its type for type checkers only


def add_control(commands: "Commands[argparse.ArgumentParser]", chosen: str | None) -> None:
    """Add all of them, or the chosen one if it is among them."""
    for name, (text, add) in CONTROL.items():
        if chosen in (None, name):
            parser = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
            _add_place(parser)
            add(parser)


def _add_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--file",
        default=DEFAULT_FILE,
        metavar="FILE",
        help=f"the file that the supervisor runs; default: {DEFAULT_FILE}",
    )
    parser.add_argument("--state-dir", metavar="DIR", help="its state directory, if it was given one")
    parser.add_argument("--socket", metavar="PATH", help="its control socket, instead of FILE and DIR")
    add_url(parser)
    parser.add_argument("--json", action="store_true", help="for programs: JSON, an object per line, errors too")


def add_url(parser: argparse.ArgumentParser) -> None:
    """Where a supervisor is that is elsewhere."""
    parser.add_argument("--url", metavar="URL", help="where `run --listen` takes commands; or $TRIO_SUPERVISOR_URL")
    parser.add_argument(
        "--token-file",
        metavar="FILE",
        help="the token for the URL; or $TRIO_SUPERVISOR_TOKEN_FILE, $TRIO_SUPERVISOR_TOKEN",
    )


def _status(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("agents", nargs="*", metavar="AGENT", help="only these, and all in them")
    parser.add_argument("--names", action="store_true", help="only their paths, one in each line")
    parser.add_argument(
        "--no-usage", action="store_true", help="without cpu and memory, which take a look at all processes"
    )


def _nothing(_parser: argparse.ArgumentParser) -> None:
    """No further words."""


def _probe(parser: argparse.ArgumentParser) -> None:
    _agents(parser)
    parser.add_argument(
        "--probe", choices=["startup", "readiness", "health"], help="only this one; default: all that it has"
    )


def _endpoints(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--follow", action="store_true", help="go on with those that come and go")


def _metrics(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--openmetrics", action="store_true", help="in the format of OpenMetrics")


def _agents(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("agents", nargs="+", metavar="AGENT", help="as team/planner")


def _agent(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("agent", metavar="AGENT", help="as team/planner")


def _patience(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-wait", action="store_true", help="do not wait for the effect")
    parser.add_argument("--timeout", type=seconds, metavar="TIME", help="wait at the most so long (10, 10s, 2m)")


def _order(parser: argparse.ArgumentParser) -> None:
    _agents(parser)
    _patience(parser)


def _order_with_reason(parser: argparse.ArgumentParser) -> None:
    _order(parser)
    parser.add_argument("--reason", metavar="TEXT", help="why, for people")


def _signal(parser: argparse.ArgumentParser) -> None:
    _agent(parser)
    parser.add_argument("signal", metavar="SIGNAL", help="HUP, SIGHUP or 1")
    parser.add_argument("--to", choices=["group", "leader"], default="group", help="default: group")


def _scale(parser: argparse.ArgumentParser) -> None:
    _agent(parser)
    parser.add_argument("replicas", type=number, metavar="NUMBER")
    _patience(parser)


def _wait(parser: argparse.ArgumentParser) -> None:
    _agent(parser)
    parser.add_argument("--for", dest="until", choices=["ready", "stopped"], default="ready", help="default: ready")
    parser.add_argument("--timeout", type=seconds, metavar="TIME", help="say no after so long (10, 10s, 2m)")


def _operation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("number", type=number, metavar="NUMBER", help="as the command with --no-wait has said it")
    _patience(parser)


def _logs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("agents", nargs="*", metavar="AGENT", help="of these, and all in them; default: of all")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what is said from now on")
    parser.add_argument("--since", metavar="TIME", help="only what is not older: a time, or a duration such as 2h")
    parser.add_argument("--tail", type=number, metavar="NUMBER", help="only the last so many lines of each agent")
    parser.add_argument("--level", metavar="LEVEL", help="lines at least this bad: debug, info, warning, error")
    parser.add_argument(
        "--field",
        action="append",
        metavar="NAME=VALUE",
        help="JSON lines with this value; a.b is b in a",
    )
    parser.add_argument("--grep", metavar="PATTERN", help="lines in which this regular expression is found")
    parser.add_argument("--stream", choices=["stdout", "stderr", "log", "supervisor"], help="only of this one")


def _send(parser: argparse.ArgumentParser) -> None:
    _agent(parser)
    parser.add_argument("text", metavar="TEXT", help="a line for its standard input")
    parser.add_argument("--no-newline", action="store_true", help="send TEXT as it is, without a line end")
    parser.add_argument(
        "--expect", metavar="RE", help="wait until it says what matches this regular expression, and print that"
    )
    _patience(parser)


def _attach(parser: argparse.ArgumentParser) -> None:
    _agent(parser)
    parser.add_argument("--read-only", action="store_true", help="only watch")
    parser.add_argument("--force", action="store_true", help="write although somebody else does, who then only watches")
    parser.add_argument(
        "--detach-keys", default="ctrl-]", metavar="KEYS", help="leave it by these, as ctrl-p,ctrl-q; default: ctrl-]"
    )
    parser.add_argument("--no-replay", action="store_true", help="do not begin with the last that it has said")
    parser.add_argument(
        "--close-stdin", action="store_true", help="end its input with the end of yours; without, it stays open"
    )


def _remove(parser: argparse.ArgumentParser) -> None:
    _order_with_reason(parser)
    parser.add_argument("--purge", action="store_true", help="with their workspaces in the state directory")
    parser.add_argument("--force", action="store_true", help="also if others depend on them, and can't start any more")


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("agent", metavar="AGENT", help="the path that it is to have, as team/planner")
    parser.add_argument("words", nargs="*", metavar="COMMAND", help="its program and arguments, after --")
    parser.add_argument("--spec", metavar="FILE", help="what stands under its name in a file; - is standard input")
    parser.add_argument("--no-start", action="store_true", help="only add it")
    _patience(parser)


def _plan(parser: argparse.ArgumentParser) -> None:
    _written(parser)
    parser.add_argument("--exit-code", action="store_true", help="end with 1 if there is something to change")


def _apply(parser: argparse.ArgumentParser) -> None:
    _written(parser)
    _patience(parser)


def _written(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("written", nargs="?", metavar="FILE", help=f"the same as --file; default: {DEFAULT_FILE}")


def _shutdown(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--now", action="store_true", help="without any grace")
    parser.add_argument("--reason", metavar="TEXT", help="why, for people")
    parser.add_argument("--wait", action="store_true", help="until everything is down and it has ended: the default")
    _patience(parser)


CONTROL: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "status": ("show the agents of a running supervisor", _status),
    "ps": ("the same as status", _status),
    "explain": ("tell why agents are as they are: rules, numbers, decisions, what comes next", _agents),
    "tree": ("show the tree with its rules: supervisors, strategies, limits, dependencies", _nothing),
    "probe": ("ask the probes of agents now; nothing follows from the answers", _probe),
    "endpoints": ("show which agents are ready, and where", _endpoints),
    "metrics": ("print all figures as Prometheus reads them", _metrics),
    "start": ("have agents up", _order_with_reason),
    "stop": ("have agents down until somebody starts them", _order),
    "restart": ("begin a new life of agents", _order_with_reason),
    "hold": ("keep agents down until they are resumed, whatever becomes of their siblings", _order_with_reason),
    "resume": ("end a hold", _order_with_reason),
    "reset": ("forget how often agents have failed", _agents),
    "remove": ("stop agents and forget them", _remove),
    "add": ("add an agent while everything runs; it comes back in the next run", _add),
    "signal": ("send an agent a signal that is no request to end", _signal),
    "scale": ("have so many replicas of an agent, or instances of a template", _scale),
    "plan": ("say what apply would do: nothing is changed", _plan),
    "apply": ("read the file again, and bring the agents to what it says", _apply),
    "reload": ("the same as apply", _apply),
    "wait": ("wait until an agent is ready, or stopped", _wait),
    "operation": ("tell what has become of a command that was not waited for", _operation),
    "logs": ("show what agents have said", _logs),
    "send": ("write to the standard input of an agent", _send),
    "attach": ("talk with an agent as if at its terminal, or watch", _attach),
    "shutdown": ("stop everything", _shutdown),
}
"""Those for a supervisor that runs: what each does, and its options."""


def number(text: str) -> int:
    """A whole number on the command line."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None


def seconds(text: str) -> float:
    """A time on the command line: 10, 10s, 500ms, 2m, 1h."""
    for unit, factor in (("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("", 1.0)):
        number = text.removesuffix(unit)
        if text.endswith(unit) and number.replace(".", "", 1).isdecimal():
            return float(number) * factor
    raise argparse.ArgumentTypeError(f"{text!r} is no time; write 10s, 500ms, 2m or 1h")
