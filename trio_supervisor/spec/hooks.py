"""What is called when something becomes of a child: commands, webhooks, functions."""

import math
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Never

from trio_supervisor.core.hook_kind import HookKind
from trio_supervisor.errors import SpecError
from trio_supervisor.record import record
from trio_supervisor.spec.checks import check_headers, check_url
from trio_supervisor.spec.process import Secret, SecretCommand, SecretEnv, SecretFile, is_owned
from trio_supervisor.spec.remote import SecretHeader

MOST_RETRIES = 20


@record
class HookCall:
    """What a hook is told."""

    kind: HookKind
    agent: str
    """Its path."""
    state: str
    """The state that it is in now."""
    reason: str
    since: float
    """When the first failure came that this is about, in seconds of Trio's clock; without one, now."""
    lasted: float
    """Seconds from then to now."""
    generation: int = 0
    """Its present or last life."""
    restarts: int = 0
    """How often it was restarted without anybody's asking."""
    exit: str = ""
    """How the life ended that this comes from; empty: it comes from no end."""
    last_lines: tuple[str, ...] = ()
    """What it has said last before that."""
    pid: int | None = None
    port: int | None = None
    at: float = 0.0
    """Now, in seconds since the epoch."""
    id: str = ""
    """The same for each attempt to tell this, and for nothing else."""
    left_out: int = 0
    """So many calls of this kind before it were left out, as those before them took too long."""


HookFunction = Callable[[HookCall], Awaitable[None] | None]


_NONE: Mapping[str, Never] = MappingProxyType({})


def _check_timeout(timeout: float) -> None:
    if not 0 < timeout < math.inf:
        raise SpecError(f"timeout must be > 0 seconds and finite, not {timeout:g}")


@record
class CommandHook:
    """A hook that is a program: the event is in its environment, and as JSON on its standard input."""

    command: tuple[str, ...]
    """Program and arguments; `{id}` is the path of the child."""
    timeout: float = 30.0
    """Then everything that it has started is killed."""
    secrets: Mapping[str, Secret] = _NONE
    """Variables whose values are looked up at each call, and never shown."""
    cwd: str | None = None
    """None: the current directory."""

    def __post_init__(self) -> None:
        if not self.command or not self.command[0]:
            raise SpecError("command must name a program")
        _check_timeout(self.timeout)
        for name in self.secrets:
            if is_owned(name) or not name or "=" in name or "\0" in name:
                raise SpecError(f"secrets: {name!r} is no name that a variable of a hook can have")


@record
class WebHook:
    """A hook that is a POST of the event as JSON."""

    url: str | SecretEnv | SecretFile | SecretCommand
    """Of http or https; a secret is looked up at each call, and never shown."""
    headers: Mapping[str, str | SecretHeader] = _NONE
    timeout: float = 10.0
    """For each attempt."""
    retry: int = 3
    """So many further attempts after one that came to nothing, or was answered by 408, 429 or 5xx; with growing pauses
    from 1 s on.
    """

    def __post_init__(self) -> None:
        if isinstance(self.url, str):
            check_target(self.url)
        _check_timeout(self.timeout)
        if not 0 <= self.retry <= MOST_RETRIES:
            raise SpecError(f"retry must be within 0 to {MOST_RETRIES}, not {self.retry}")
        check_headers({name: value for name, value in self.headers.items() if isinstance(value, str)}, "hook")
        check_headers(dict.fromkeys(self.headers, ""), "hook")


def check_target(url: str) -> None:
    """Raise SpecError unless it is a whole URL that can be posted to."""
    if url.partition("://")[0] not in ("http", "https"):
        raise SpecError(f"url {url!r}: must be a URL of http:// or https://")
    check_url(url, "url")


@record
class CallHook:
    """A hook that is a function of this program, async or not: it gets the `HookCall`. One that is not async is called
    in a thread.
    """

    call: str
    """`package.module:function`."""
    timeout: float = 30.0
    path: str | None = None
    """A directory that is put before the import path; None: the import path as it is."""

    def __post_init__(self) -> None:
        _check_timeout(self.timeout)


Hook = HookFunction | CommandHook | WebHook | CallHook
SomeHooks = Hook | tuple[Hook, ...] | None
"""None, one, or several that are called at the same time."""


@record
class Hooks:
    """The hooks of a child, for each edge."""

    on_ready: SomeHooks = None
    on_failed: SomeHooks = None
    on_gave_up: SomeHooks = None
    on_restarted: SomeHooks = None
    on_stopped: SomeHooks = None
    on_recovered: SomeHooks = None
    settle: float = 30.0
    """So many seconds ready without a break, and a failure is over; more each time for a child that flaps."""

    def __post_init__(self) -> None:
        if not 0 <= self.settle < math.inf:
            raise SpecError(f"settle must be >= 0 seconds and finite, not {self.settle:g}")

    def of(self, kind: HookKind) -> tuple[Hook, ...]:
        """Those for an edge."""
        found: SomeHooks = getattr(self, kind.value)
        if found is None:
            return ()
        # A list is what one writes without looking at the type.
        return tuple(found) if isinstance(found, tuple | list) else (found,)
