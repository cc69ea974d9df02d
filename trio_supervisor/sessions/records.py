"""What is kept of each session that was started: whose it is, since when it lives, how it ended. Times are seconds."""

import math
import time
from enum import Enum

from attrs import define

from trio_supervisor.core.exits import Exit
from trio_supervisor.errors import SpecError
from trio_supervisor.record import record
from trio_supervisor.sessions.channel import Channel
from trio_supervisor.vault import redact

TAIL = 4096
"""So many of the last bytes are told with the end."""


@record
class LifeLimits:
    """For how long one session may live; each counts from its start on."""

    max_age: float = math.inf
    max_idle: float = math.inf
    max_quiet: float = math.inf


@record
class SessionLimits:
    """How many sessions there may be, and for how long."""

    per_owner: int = 5
    """Live ones of one owner."""
    total: int = 100
    """Live ones of all owners."""
    max_age: float = math.inf
    """Who has lived so long is stopped."""
    max_idle: float = math.inf
    """Who was not written to, and has said nothing, for so long is stopped."""
    max_quiet: float = math.inf
    """Who has said nothing for so long is stopped, whatever was written to it."""
    keep_for: float = 3600.0
    """So long what an ended one has said can be read."""
    keep: int = 64
    """So many ended ones are kept at the most ..."""
    keep_bytes: int = 16 << 20
    """... with so many bytes of what they have said together."""

    def __post_init__(self) -> None:
        _check_positive(self, ("per_owner", "total", "max_age", "max_idle", "max_quiet"))
        for name in ("keep_for", "keep", "keep_bytes"):
            if not getattr(self, name) >= 0:
                raise SpecError(f"sessions: {name} must be >= 0, not {getattr(self, name)}")

    def of_one(self, max_age: float | None, max_idle: float | None, max_quiet: float | None) -> LifeLimits:
        """Those of one session: what is given for it, and else (None) what holds for all. Raises SpecError."""
        limits = LifeLimits(
            self.max_age if max_age is None else max_age,
            self.max_idle if max_idle is None else max_idle,
            self.max_quiet if max_quiet is None else max_quiet,
        )
        _check_positive(limits, ("max_age", "max_idle", "max_quiet"))
        return limits


def _check_positive(limits: object, names: tuple[str, ...]) -> None:
    for name in names:
        if not getattr(limits, name) > 0:
            raise SpecError(f"sessions: {name} must be > 0, not {getattr(limits, name)}")


class EndedFor(Enum):
    """Why a session was ended, where it did not end by itself."""

    AGE = "age"
    """It had lived as long as it may."""
    IDLE = "idle"
    """It was idle as long as it may be."""
    QUIET = "quiet"
    """It has said nothing as long as it may."""
    ASKED = "asked"
    """Somebody has asked for it by its id, or for all of its owner, or the block is over."""


@record
class SessionInfo:
    """A session as it is."""

    id: str
    owner: str
    command: str
    """As it could be typed into a shell."""
    alive: bool
    uptime: float
    """So long it has lived, or did."""
    idle: float
    """So long nothing was written to it, and it has said nothing; of an ended one, since its end."""
    pid: int | None
    writer: str
    """Who writes to it; empty: nobody."""
    exit: Exit | None
    """How it ended; None as long as it lives."""
    ended_for: EndedFor | None = None
    """Why it was ended, as soon as it is asked to; None: it has ended by itself, or was killed through a `Session`."""


@record
class Ending:
    """The end of a session, as it is announced."""

    session: SessionInfo
    tail: bytes
    """The last of what it said, up to 4 KiB."""


@define
class Record:
    """A session; changed by the registry only. Times are those of Trio's clock."""

    id: str
    owner: str
    command: str
    channel: Channel
    started: float
    limits: LifeLimits
    running: bool = False
    """Its start is over."""
    ended_for: EndedFor | None = None
    """Why it was asked to end."""
    ended: float | None = None
    exit: Exit | None = None

    @property
    def live(self) -> bool:
        """Whether it has not ended; also while it starts."""
        return self.ended is None

    def active_at(self, now: float) -> float:
        """When something was written to it or said by it last."""
        return max(self.said_at(now), self.channel.lease.written_at) if self.running else self.started

    def said_at(self, now: float) -> float:
        """When it has said something last, or began."""
        if self.running and (entries := self.channel.ring.tail(1).entries):
            return max(self.started, now - max(0.0, time.monotonic() - entries[-1].mono))
        return self.started

    def deadline(self, keep_for: float, now: float) -> float:
        """When something is to be done about it: stopped, or forgotten."""
        if self.ended is not None:
            return self.ended + keep_for
        if self.ended_for is not None or not self.running:
            return math.inf
        return min(
            self.started + self.limits.max_age,
            self.active_at(now) + self.limits.max_idle,
            self.said_at(now) + self.limits.max_quiet,
        )

    def due(self, now: float, limits: LifeLimits | None = None) -> EndedFor | None:
        """Why it is to end, if its time is over, by other limits than its own if they are given."""
        limits = limits or self.limits
        if now >= self.started + limits.max_age:
            return EndedFor.AGE
        if now >= self.active_at(now) + limits.max_idle:
            return EndedFor.IDLE
        return EndedFor.QUIET if now >= self.said_at(now) + limits.max_quiet else None

    def info(self, now: float) -> SessionInfo:
        """As it is."""
        until = now if self.ended is None else self.ended
        return SessionInfo(
            id=self.id,
            owner=self.owner,
            command=redact(self.command),
            alive=self.live,
            uptime=until - self.started,
            idle=now - (self.active_at(now) if self.ended is None else self.ended),
            pid=self.channel.pid if self.live else None,
            writer=self.channel.lease.holder if self.live else "",
            exit=self.exit,
            ended_for=self.ended_for,
        )

    def ending(self, now: float) -> Ending:
        """What is announced of its end."""
        said = b"".join(entry.data for entry in self.channel.ring.tail(TAIL).entries)
        return Ending(self.info(now), said[-TAIL:])
