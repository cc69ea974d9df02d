"""The environment of a child: inherited, then what the spec says, then what the supervisor tells it."""

import pwd
from collections.abc import Collection, Mapping

from trio_supervisor.record import record
from trio_supervisor.runtimes.base import Launch
from trio_supervisor.spec import OWNED_NAMES, OWNED_PREFIXES, Inherit, ProcessSpec, Stdin, expand, is_owned
from trio_supervisor.system import lineage

MINIMAL = ("HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER", "LANG", "LC_*", "TMPDIR")
TERMINAL = "xterm-256color"
"""The TERM of who has a terminal: what nearly every terminal that can be attached to it understands."""
_OF_A_USER = ("HOME", "LOGNAME", "SHELL", "USER")


@record
class Environment:
    """What a child gets."""

    variables: dict[str, str]
    refused: tuple[str, ...]
    """What was written in `env` or `inherit_env` although only the supervisor may set it, in order."""

    @property
    def complaint(self) -> str:
        """What is to be said about it to the owner of the child; empty: nothing."""
        return f"not given to it, as only the supervisor sets these: {', '.join(self.refused)}" if self.refused else ""


def build_environment(
    process: ProcessSpec,
    launch: Launch,
    port: int | None,
    *,
    environ: Mapping[str, str],
    secrets: Mapping[str, str],
    lineage_token: str,
    account: pwd.struct_passwd | None = None,
    withheld: Collection[str] = (),
    told: Mapping[str, str] | None = None,
) -> Environment:
    """The whole environment of a life.

    `environ` is the supervisor's own; `account` what the system knows of `process.user`; `withheld` are variables that
    only who names them inherits; `told` is what else the supervisor has to tell (NOTIFY_SOCKET, LISTEN_FDS).

    What the supervisor owns is never inherited: it would be about somebody else. All other variables (PYTHONUNBUFFERED
    too) are left as they are.
    """
    env = inherited(process.inherit_env, environ, withheld)
    if process.user is not None:
        _become(env, account)
    if process.stdin is Stdin.PTY:
        _enter_terminal(env)
    env |= {name: expand(value, launch.child, port) for name, value in process.env.items() if not is_owned(name)}
    env |= secrets
    env |= _identity(launch, port)
    env |= told or {}
    env[lineage.VARIABLE] = lineage.extend(environ.get(lineage.VARIABLE), lineage_token)
    return Environment(env, _refused(process))


def child_command(process: ProcessSpec, launch: Launch, port: int | None) -> tuple[str, ...]:
    """Program and arguments, with the placeholders replaced, and the shell in front where one is wanted."""
    command = tuple(expand(word, launch.child, port) for word in process.command)
    return ("/bin/sh", "-c", *command) if process.shell else command


def inherited(
    inherit: Inherit | tuple[str, ...], environ: Mapping[str, str], withheld: Collection[str]
) -> dict[str, str]:
    """What is taken over from `environ`, without what the supervisor owns."""
    match inherit:
        case Inherit.ALL:
            # What nearly all children have, at each of their births.
            return {
                name: value
                for name, value in environ.items()
                if not name.startswith(OWNED_PREFIXES) and name not in OWNED_NAMES and name not in withheld
            }
        case Inherit.MINIMAL:
            wanted: tuple[str, ...] = MINIMAL
        case Inherit.NONE:
            wanted = ()
        case tuple():
            wanted = inherit
    prefixes = tuple(name.removesuffix("*") for name in wanted if name.endswith("*"))
    return {
        name: value
        for name, value in environ.items()
        if (name in wanted or (name.startswith(prefixes) and name not in withheld)) and not is_owned(name)
    }


def _become(env: dict[str, str], account: pwd.struct_passwd | None) -> None:
    """Put a user's own variables in the place of the supervisor's; of an unknown user it has none."""
    for name in _OF_A_USER:
        env.pop(name, None)
    if account is not None:
        env |= {"HOME": account.pw_dir, "LOGNAME": account.pw_name, "USER": account.pw_name}
        if account.pw_shell:
            env["SHELL"] = account.pw_shell


def _enter_terminal(env: dict[str, str]) -> None:
    """Of its own terminal it asks the size; what the supervisor's is has nothing to do with it."""
    for name in ("COLUMNS", "LINES"):
        env.pop(name, None)
    env["TERM"] = TERMINAL


def _identity(launch: Launch, port: int | None) -> dict[str, str]:
    """Who the child is, as it is told."""
    identity = {
        "AGENT_ID": launch.child,
        "AGENT_GENERATION": str(launch.generation),
        "AGENT_RESTART_COUNT": str(launch.restart_count),
        "AGENT_RESTART_REASON": launch.restart_reason,
    }
    return identity if port is None else {**identity, "AGENT_PORT": str(port)}


def _refused(process: ProcessSpec) -> tuple[str, ...]:
    named = process.inherit_env if isinstance(process.inherit_env, tuple) else ()
    return tuple(name for name in (*process.env, *named) if is_owned(name))
