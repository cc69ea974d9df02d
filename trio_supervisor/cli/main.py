"""The entry point: from words to a command, from errors to a message and an exit code.

What a command needs is imported when it runs: most of the time of a short command is imports.
"""

import errno
import gc
import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from trio_supervisor.cli.mask import hold_back

if TYPE_CHECKING:
    import argparse

    from trio_supervisor.guardian.launch import Launched

INTERRUPTED = 130
"""As shells tell SIGINT."""
UNREAD = 141
"""As shells tell SIGPIPE."""
_COLLECT_AFTER = 10_000
"""Objects. A birth makes dozens that live as long as the agent, so to look after each 700 of them is too soon:
it was 5 % of the time to a thousand agents.
"""
_TOKENS = ("TRIO_SUPERVISOR_OPERATE_TOKEN", "TRIO_SUPERVISOR_OBSERVE_TOKEN")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    if words[:1] in (["run"], ["up"]):
        hold_back()
    try:
        code = _main(words)
        # Here, as at the end of the program nobody could say anything to a failure.
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        if error.filename is not None or error.errno not in (errno.EPIPE, errno.ENOSPC):
            raise
        return _unread(error)
    except BaseExceptionGroup as group:
        # A task has raised it; by now everything is down.
        if group.split(KeyboardInterrupt)[1] is not None:
            raise
        return INTERRUPTED
    return code


def _unread(error: OSError) -> int:
    """What we have printed has not got through; returns the exit code."""
    # What is still in the buffer would raise once more, at the end of the program.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if error.errno == errno.EPIPE:
        return UNREAD  # whoever reads it (head, less) has seen enough
    sys.stderr.write(f"standard output can't be written: {error.strerror}\n")
    return 1


def _main(words: list[str]) -> int:
    from trio_supervisor.cli.arguments import parse  # noqa: PLC0415

    _fill_standard_descriptors()
    return _told(parse(words))


def _told(options: "argparse.Namespace") -> int:
    """Run it; what is wrong with it is said."""
    from trio_supervisor.errors import SupervisorError  # noqa: PLC0415

    try:
        return _run(options)
    except SupervisorError as error:
        from trio_supervisor.cli.faults import tell  # noqa: PLC0415

        return tell(error, options)


def _run(options: "argparse.Namespace") -> int:
    match options.command:
        case "up":
            from trio_supervisor.cli.up import up  # noqa: PLC0415

            return up(options, partial(_told, options))
        case "run" if options.detach:
            from trio_supervisor.cli.detach import detach  # noqa: PLC0415

            return detach(options, partial(_told, options))
        case "run":
            from trio_supervisor.cli.descriptors import make_sure_of_them  # noqa: PLC0415

            make_sure_of_them()
            from trio_supervisor.config import apart  # noqa: PLC0415

            # Nothing that is imported is garbage.
            gc.disable()
            # Before anything is started that would inherit them: agents are to be commanded, not to command.
            options.tokens = {name: os.environ.pop(name, None) for name in _TOKENS}
            reading = apart.begin(options.file, options.agents)
            guardian = _launch_guardian()
            from trio_supervisor.cli.run import run  # noqa: PLC0415

            # What is imported stays: it need not be looked at again by each collection, nor once more in the end, which
            # would take longer than the stop of a hundred agents.
            gc.freeze()
            gc.set_threshold(_COLLECT_AFTER)
            gc.enable()
            try:
                return run(options, guardian, reading)
            finally:
                gc.freeze()
        case "completion":
            from trio_supervisor.cli.completion import completion  # noqa: PLC0415

            return completion(options)
        case "names":
            from trio_supervisor.cli.names import names  # noqa: PLC0415

            return names(options)
        case "events":
            from trio_supervisor.cli.events import events  # noqa: PLC0415

            return events(options)
        case "check" | "init" | "schema":
            from trio_supervisor.cli.files import check, init, schema  # noqa: PLC0415

            return {"check": check, "init": init, "schema": schema}[options.command](options)
        case _:
            from trio_supervisor.cli.remote import command  # noqa: PLC0415

            return command(options)


def _launch_guardian() -> "Launched | None":
    """First of all: it starts while the rest is imported. Without one the run goes on, and says so."""
    from trio_supervisor.guardian.launch import launch  # noqa: PLC0415

    try:
        return launch()
    except OSError:
        # The second try, at the first birth, tells why.
        return None


def _fill_standard_descriptors() -> None:
    """Put the null device where standard input, output or error is closed: else the next file opened takes its
    number.
    """
    descriptor = os.open(os.devnull, os.O_RDWR)
    while descriptor <= 2:
        descriptor = os.dup(descriptor)
    os.close(descriptor)
    for name in ("stdout", "stderr"):
        # Python has none where the descriptor was closed when it began.
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 -- to the end of the program
