"""Sessions for an embedding program: what `Tree.sessions` gives."""

from collections.abc import Iterable
from typing import Unpack

from trio_supervisor.embedding.specs import ProcessOptions, process
from trio_supervisor.sessions.records import EndedFor, Ending, SessionInfo, SessionLimits
from trio_supervisor.sessions.registry import Registry
from trio_supervisor.sessions.session import Session

__all__ = ["EndedFor", "Ending", "SessionInfo", "SessionLimits", "Sessions"]


class Sessions(Registry):
    """Interactive programs, each started for an owner, under a random id that only its owner can use.

        async with tree.sessions() as sessions:
            shell = await sessions.start("alice", ["bash"], stdin="pty")
            await shell.expect(r"\\$ ")

    They are children of the tree like any other, temporary: with ring, log files, limits, secrets, and a stop that ends
    all they have started. Ended ones stay listed for a while, with what they have said, and count for no limit.
    """

    async def start(
        self,
        owner: str,
        command: Iterable[str] | str,
        *,
        max_age: float | None = None,
        max_idle: float | None = None,
        max_quiet: float | None = None,
        **options: Unpack[ProcessOptions],
    ) -> Session:
        """Start a program; the owner may write to it. The options are those of `process`; `stdin` is a pipe unless said
        otherwise, and `restart` and `significant` mean nothing: it lives once.

        `max_age`, `max_idle`, `max_quiet`: seconds, for this one in place of what `SessionLimits` says; `math.inf` is
        no limit.

        Raises:
            SessionLimitError: the owner, or all together, have as many live ones as they may.
            ChildStartError: it can't be started, and why.
            CallError: the supervisor ends, or may have no more children.
            SpecError: an option can't be right.
        """
        if options.get("stdin") is None and options.get("preset") is None:
            options["stdin"] = "pipe"
        limits = self.limits.of_one(max_age, max_idle, max_quiet)
        return await self.start_spec(owner, process("session", command, **options), limits)
