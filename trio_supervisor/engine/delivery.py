"""How one hook is called: as a command, by a webhook, as a function. What goes wrong becomes a `HookError`."""

import inspect
import json
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

import trio

from trio_supervisor.commands import Completed
from trio_supervisor.errors import HookError, ProbeError, StartError
from trio_supervisor.functions import imported, is_async
from trio_supervisor.record import record
from trio_supervisor.spec import (
    CallHook,
    CommandHook,
    Hook,
    HookCall,
    HookFunction,
    Secret,
    SecretHeader,
    WebHook,
    expand,
)
from trio_supervisor.words import one_line

TIMEOUT = 30.0
"""Seconds for a function that was handed over."""
FIRST_PAUSE = 1.0
"""Seconds before the second attempt of a webhook; each further pause is twice as long ..."""
LONGEST_PAUSE = 30.0
"""... up to this."""
ALL_AT_ONCE = 8
"""So many hooks of a whole run are called at the same time, at the most."""
_LONGEST_TEXT = 4096
"""Characters of one text in an event: it must fit into an environment, and into a pipe."""

_lanes: "trio.lowlevel.RunVar[trio.CapacityLimiter]" = trio.lowlevel.RunVar("trio_supervisor.hooks.lanes")


class Run(Protocol):
    """Runs a command of the supervisor itself: (command, directory, variables, standard input, timeout).

    Raises ProbeError: it can't be run.
    """

    async def __call__(
        self, command: Sequence[str], cwd: str | None, env: Mapping[str, str], stdin: bytes, within: float, /
    ) -> Completed: ...


@record
class Outbound:
    """The ways out, for hooks."""

    run: Run
    post: Callable[[str, Mapping[str, str], bytes, float], Awaitable[None]]
    """Posts JSON once: (URL, headers, body, timeout). Raises HookError."""
    look_up: Callable[[Mapping[str, Secret]], Awaitable[dict[str, str]]]
    """The values of secrets. Raises StartError."""


async def deliver(hook: Hook, call: HookCall, out: Outbound | None, redact: Callable[[str], str]) -> None:
    """Call a hook once, in its time. A command or webhook is told nothing that `redact` would hide.

    Raises:
        HookError: it could not be called, or has failed.
    """
    if not isinstance(hook, CommandHook | WebHook | CallHook):
        await _function(hook, call, TIMEOUT)
        return
    if isinstance(hook, CallHook):
        async with _lane():
            await _function(_found(hook), call, hook.timeout)
        return
    if out is None:
        raise HookError("there is nothing here to call it with")
    fields = _redacted(as_fields(call), redact)
    try:
        if isinstance(hook, CommandHook):
            await _command(hook, call, fields, out)
        else:
            await _web(hook, call, fields, out)
    except (ProbeError, StartError) as error:
        raise HookError(str(error)) from error


def _lane() -> trio.CapacityLimiter:
    try:
        return _lanes.get()
    except LookupError:
        lanes = trio.CapacityLimiter(ALL_AT_ONCE)
        _lanes.set(lanes)
        return lanes


# What is told


def as_fields(call: HookCall) -> dict[str, object]:
    """The event as it is sent, as JSON has it."""
    subject = f"{call.agent}: {call.kind.value.removeprefix('on_').replace('_', ' ')}"
    return {
        "id": call.id,
        "hook": call.kind.value,
        "agent": call.agent,
        "text": f"{subject}: {call.reason}" if call.reason else subject,
        "state": call.state,
        "reason": call.reason,
        "at": _timestamp(call.at),
        "since": _timestamp(call.at - call.lasted),
        "lasted": round(call.lasted, 3),
        "generation": call.generation,
        "restarts": call.restarts,
        "exit": call.exit or None,
        "last_lines": list(call.last_lines),
        "pid": call.pid,
        "port": call.port,
        "left_out": call.left_out,
    }


def _timestamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _redacted(fields: Mapping[str, object], redact: Callable[[str], str]) -> dict[str, object]:
    def clean(value: object) -> object:
        if isinstance(value, list):
            return [clean(one) for one in value]
        return redact(value)[:_LONGEST_TEXT] if isinstance(value, str) else value

    return {name: clean(value) for name, value in fields.items()}


_VARIABLES = {
    "HOOK": "hook",
    "HOOK_ID": "id",
    "HOOK_TEXT": "text",
    "AGENT_ID": "agent",
    "AGENT_STATE": "state",
    "AGENT_REASON": "reason",
    "AGENT_SINCE": "since",
    "AGENT_GENERATION": "generation",
    "AGENT_RESTART_COUNT": "restarts",
    "AGENT_EXIT": "exit",
    "AGENT_PID": "pid",
    "AGENT_PORT": "port",
}


def _variables(fields: Mapping[str, object]) -> dict[str, str]:
    told = {name: fields[key] for name, key in _VARIABLES.items()}
    return {name: str(value).replace("\0", "\ufffd") for name, value in told.items() if value is not None}


def _json(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields).encode() + b"\n"


# The kinds


async def _command(hook: CommandHook, call: HookCall, fields: Mapping[str, object], out: Outbound) -> None:
    command = [expand(word, call.agent, call.port) for word in hook.command]
    async with _lane():
        secrets = await out.look_up(hook.secrets) if hook.secrets else {}
        done = await out.run(command, hook.cwd, {**secrets, **_variables(fields)}, _json(fields), hook.timeout)
    if done.code == 0:
        return
    if done.code is None:
        how = f"killed, it did not end within {hook.timeout:g} s"
    else:
        how = f"signal {-done.code}" if done.code < 0 else f"exit code {done.code}"
    lines = done.output.decode(errors="replace").rstrip().splitlines()
    raise HookError(f"{how}: {one_line(lines[-1])}" if lines else how)


async def _web(hook: WebHook, call: HookCall, fields: Mapping[str, object], out: Outbound) -> None:
    async with _lane():
        url, headers = await _target(hook, out)
    headers["idempotency-key"] = call.id
    pause = FIRST_PAUSE
    for left in range(hook.retry, -1, -1):
        try:
            async with _lane():
                await out.post(url, headers, _json(fields), hook.timeout)
        except HookError as error:
            if not left or not error.again:
                attempts = hook.retry - left + 1
                raise HookError(f"{error}, at attempt {attempts}" if attempts > 1 else str(error)) from error
            await trio.sleep(max(pause * random.uniform(0.8, 1.2), error.pause))
            pause = min(pause * 2, LONGEST_PAUSE)
        else:
            return


async def _target(hook: WebHook, out: Outbound) -> tuple[str, dict[str, str]]:
    secret = {name: value for name, value in hook.headers.items() if isinstance(value, SecretHeader)}
    secrets = {f"header {name}": value.secret for name, value in secret.items()}
    if not isinstance(hook.url, str):
        secrets["url"] = hook.url
    found = await out.look_up(secrets) if secrets else {}
    headers = {
        name.lower(): value if isinstance(value, str) else value.prefix + found[f"header {name}"]
        for name, value in hook.headers.items()
    }
    return hook.url if isinstance(hook.url, str) else found["url"], headers


def _found(hook: CallHook) -> HookFunction:
    try:
        target = imported(hook.call, hook.path)
    except ValueError as error:
        raise HookError(f"call {hook.call!r}: {error}") from error
    if not callable(target):
        raise HookError(f"call {hook.call!r} is no function")
    if is_async(target):
        return target
    # It may block, which concerns nobody else.
    return lambda call: trio.to_thread.run_sync(target, call, abandon_on_cancel=True)


async def _function(function: HookFunction, call: HookCall, timeout: float) -> None:
    with trio.move_on_after(timeout) as scope:
        try:
            answer = function(call)
            if inspect.isawaitable(answer):
                await answer
        except Exception as error:  # somebody else's code: what it raises is told, and concerns nobody else
            message = f"raised {type(error).__name__}: {one_line(str(error))}".rstrip(": ")
            raise HookError(message) from error
    if scope.cancelled_caught:
        raise HookError(f"did not end within {timeout:g} s")
