"""The commands that change something: `start`, `stop` and their like, `signal`, `scale`, `send`, `shutdown`."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from threading import Thread

from trio_supervisor.cli import exit_codes, faults
from trio_supervisor.control.api import Heard, Operation, Phase, Verb
from trio_supervisor.control.client import Client, as_json
from trio_supervisor.errors import NeededError, RequestError, SupervisorError

LAST_MOMENTS = 10.0
"""So many seconds a supervisor whose agents are all down has to end."""
_PAUSE = 0.02
SILENCE = 3.0
"""So many seconds somebody at a terminal waits before it is said what for."""
ANSWER = 30.0
"""So many seconds an answer is waited for, unless said otherwise."""

Give = Callable[[str], Operation]
_WAITED_FOR = frozenset(
    {Verb.START, Verb.STOP, Verb.RESTART, Verb.HOLD, Verb.RESUME, Verb.REMOVE, Verb.SCALE, Verb.ADD}
)
"""What may take as long as somebody else needs."""


def order(options: argparse.Namespace, client: Client) -> int:
    """Give the command for every agent that is named, at once; returns the worst exit code."""
    wait = _patience(options)
    first = _first_wait(options, wait)
    give = _give(options, client, first)
    names = [""] if options.command == "shutdown" else getattr(options, "agents", None) or [options.agent]
    results: dict[str, Operation | SupervisorError] = {}

    def one(name: str) -> None:
        try:
            results[name] = done = give(name)
            if done.phase is Phase.PENDING and first is not wait:
                results[name] = _waited(done, client, wait if wait is True else wait - first)
        except SupervisorError as error:
            results[name] = error

    names = list(dict.fromkeys(names))
    _each(names, one)
    for _ in names:
        _each(_needed_no_more(results), one)
    code = _tell([results[name] for name in names], options)
    if options.command == "shutdown" and code == exit_codes.DONE and not options.no_wait:
        _wait_end(options)
    return code


def _each(names: Sequence[str], call: Callable[[str], None]) -> None:
    """For all of them at once."""
    if len(names) < 2:
        for name in names:
            call(name)
        return
    threads = [Thread(target=call, args=(name,), daemon=True) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _needed_no_more(results: Mapping[str, Operation | SupervisorError]) -> list[str]:
    """Who was refused only because of others that go as well, and have gone by now: nobody has to know an order."""
    gone = {name for name, result in results.items() if isinstance(result, Operation)}
    return [name for name, error in results.items() if isinstance(error, NeededError) and gone.issuperset(error.users)]


def _first_wait(options: argparse.Namespace, wait: bool | float) -> bool | float:
    """So long somebody at a terminal is kept waiting without a word."""
    quiet = options.json or not sys.stderr.isatty() or Verb(options.command) not in _WAITED_FOR
    return wait if quiet or wait is False or (wait is not True and wait <= SILENCE) else SILENCE


def _waited(given: Operation, client: Client, wait: bool | float) -> Operation:
    """The same at its end, of which the command itself takes care; `wait`: so long from now on."""
    awaits = f": {given.awaits}" if given.awaits else ""
    sys.stderr.write(f"{given.verb.value} is under way (operation {given.id}){awaits}; Ctrl-C ends only the waiting\n")
    return client.outcome(given.id, wait=wait)


def _patience(options: argparse.Namespace) -> bool | float:
    wait: bool | float = not getattr(options, "no_wait", False)
    if wait and getattr(options, "timeout", None) is not None:
        wait = options.timeout
    return wait


def _wait_end(options: argparse.Namespace) -> None:
    """Wait until the process is gone, too: then the file may be run again."""
    if options.socket is not None:
        return
    from trio_supervisor.state.directory import find  # noqa: PLC0415 -- most orders end nothing
    from trio_supervisor.state.lock import holder_of  # noqa: PLC0415

    directory = find(os.path.realpath(options.file), options.state_dir, os.environ)
    until = time.monotonic() + LAST_MOMENTS
    while holder_of(directory) is not None and time.monotonic() < until:
        time.sleep(_PAUSE)


def _give(options: argparse.Namespace, client: Client, wait: bool | float) -> Give:
    reason = getattr(options, "reason", None)
    match Verb(options.command):
        case Verb.START:
            return lambda name: client.start(name, reason=reason, wait=wait)
        case Verb.STOP:
            return lambda name: client.stop(name, wait=wait)
        case Verb.RESTART:
            return lambda name: client.restart(name, reason=reason, wait=wait)
        case Verb.HOLD:
            return lambda name: client.hold(name, reason=reason, wait=wait)
        case Verb.RESUME:
            return lambda name: client.resume(name, reason=reason, wait=wait)
        case Verb.RESET:
            return client.reset
        case Verb.REMOVE:
            purge, force = options.purge, options.force
            return lambda name: client.remove(name, reason=reason, purge=purge, force=force, wait=wait)
        case Verb.SIGNAL:
            number = _signal(options.signal)
            return lambda name: client.signal(name, number, group=options.to == "group")
        case Verb.SCALE:
            return lambda name: client.scale(name, options.replicas, wait=wait)
        case Verb.SEND:
            text = options.text if options.no_newline else f"{options.text}\n"
            data = text.encode(errors="surrogateescape")
            if options.expect is None:
                return lambda name: client.send(name, data, wait=wait)
            patience = ANSWER if options.timeout is None else options.timeout
            now = not options.no_wait
            return lambda name: client.send(name, data, expect=options.expect, timeout=patience, wait=now)
        case Verb.SHUTDOWN:
            return lambda _: client.shutdown(reason=reason, now=options.now, wait=wait)
        case Verb.ADD:
            text = _spec(options)
            return lambda name: client.register(name, text, start=not options.no_start, wait=wait)
        case Verb.APPLY:
            raise AssertionError("it tells of more than one agent")


def _spec(options: argparse.Namespace) -> str:
    if (options.spec is None) == (not options.words):
        raise RequestError("say what it is: --spec FILE, or -- and a command")
    if options.spec is None:
        import json  # noqa: PLC0415 -- for those alone

        return json.dumps({"command": options.words}, ensure_ascii=False)
    try:
        if options.spec == "-":
            return sys.stdin.buffer.read().decode()
        with open(options.spec, "rb") as file:
            return file.read().decode()
    except OSError as error:
        raise RequestError(f"{options.spec}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise RequestError(f"{options.spec}: this is not UTF-8: {error.reason}") from None


def _signal(text: str) -> int:
    import signal  # noqa: PLC0415 -- most commands need none

    name = "SIG" + text.upper().removeprefix("SIG")
    if name in signal.Signals.__members__:
        return signal.Signals[name]
    if text.isascii() and text.isdecimal() and int(text) in set(signal.Signals):
        return int(text)
    raise RequestError(f"there is no signal {text!r}; write HUP, SIGHUP or 1")


def _tell(results: list[Operation | SupervisorError], options: argparse.Namespace) -> int:
    worst = exit_codes.DONE
    for result in results:
        if isinstance(result, SupervisorError):
            worst = max(worst, faults.tell(result, options))
            continue
        if not options.json:
            for warning in result.warnings:
                faults.warn(f"{result.agent}: {warning}" if result.agent else warning, options)
        if options.json:
            sys.stdout.write(f"{as_json(result)}\n")
        elif result.heard is not None:
            _put_heard(result.heard)
        elif result.phase is Phase.PENDING:
            awaits = f": {result.awaits}" if result.awaits else ""
            sys.stdout.write(f"{result.verb.value} is under way (operation {result.id}){awaits}\n")
        else:
            sys.stdout.write(f"{result.agent or 'everything'}: {_DONE[result.verb]}\n")
        if result.phase is Phase.PENDING and not options.no_wait:
            worst = max(worst, exit_codes.GAVE_UP)
    return worst


def _put_heard(heard: Heard) -> None:
    from trio_supervisor.cli.harmless import harmless  # noqa: PLC0415 -- few commands hear anything

    said = f"{heard.before}{heard.text}".encode("utf-8", "backslashreplace")
    if sys.stdout.isatty():
        said = harmless(said, colour=True)
    sys.stdout.buffer.write(said if said.endswith(b"\n") else said + b"\n")


_DONE = {
    Verb.START: "started",
    Verb.STOP: "stopped",
    Verb.RESTART: "restarted",
    Verb.HOLD: "held",
    Verb.RESUME: "resumed",
    Verb.RESET: "its failures are forgotten",
    Verb.REMOVE: "removed",
    Verb.SIGNAL: "signaled",
    Verb.SCALE: "scaled",
    Verb.SEND: "sent",
    Verb.ADD: "added",
    Verb.APPLY: "applied",
    Verb.SHUTDOWN: "stopped",
}
