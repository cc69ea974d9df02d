"""Wording: what a change of state is called when it is told to people. Pure functions."""

import math
from enum import Enum

from trio_supervisor.control.api import Judged, Judgement, Remark, Snapshot, State, StateChanged
from trio_supervisor.record import record


class Tone(Enum):
    """How good the news is."""

    QUIET = "quiet"
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"

    @property
    def level(self) -> str:
        """The level in a log."""
        match self:
            case Tone.QUIET | Tone.GOOD:
                return "info"
            case Tone.WARNING:
                return "warning"
            case Tone.BAD:
                return "error"


@record
class About:
    """What the notice itself does not tell. Times by the clock of the notice."""

    now: float
    started_at: float | None = None
    """When the present life began to start."""
    was_ready: bool = False
    """Whether the present life has been ready before."""
    last_reason: str = ""
    """The reason of the child's change before this one."""
    restarts: int = 0
    """How many there were at the child's change before this one."""
    port: int | None = None
    pid: int | None = None


def describe(notice: StateChanged, about: About) -> str:
    """The change in words, without the child's name; may be more than one line where the reason is."""
    reason = notice.reason
    match notice.new:
        case State.WAITING:
            return _waiting(notice, about)
        case State.STARTING:
            return _starting(notice)
        case State.RUNNING:
            return _after("not ready", reason) if about.was_ready else "started, not ready yet" + _where(about)
        case State.READY:
            return _ready(about)
        case State.UNHEALTHY:
            return _after("unhealthy", reason)
        case State.DRAINING:
            at_most = "" if notice.next_at is None else f" (for at most {duration(notice.next_at - about.now)})"
            return f"{_after('draining', reason)}{at_most}"
        case State.STOPPING if notice.old is State.UNHEALTHY and reason.startswith("unhealthy"):
            return "stopping because it is unhealthy"
        case State.STOPPING:
            return _after("stopping", reason)
        case State.BACKOFF:
            return f"{_ended(notice)}; restart {notice.restarts}{_in(notice.next_at, about.now)}"
        case State.STOPPED:
            return _after("stopped", reason)
        case State.FINISHED:
            return _after("finished", reason)
        case State.FAILED:
            return _after("failed", reason)
        case State.HELD:
            resumed = "" if notice.next_at is None else f"; resumed{_in(notice.next_at, about.now)}"
            return f"{_after('held', reason)}{resumed}"
        case State.REMOVED:
            return _after("removed", reason)


def is_dull(notice: StateChanged, about: About) -> bool:
    """Whether the change is a mere step towards another one that follows at once, and tells nothing new."""
    match notice.new:
        case State.STARTING:
            return True
        case State.WAITING:
            return notice.exit is None and notice.reason in ("", about.last_reason)
        case _:
            return False


def tone(notice: StateChanged, about: About) -> Tone:
    """How good the news is."""
    match notice.new:
        case State.READY | State.FINISHED:
            return Tone.GOOD
        case State.HELD if notice.next_at is not None:
            return Tone.WARNING
        case State.UNHEALTHY | State.FAILED | State.HELD:
            return Tone.BAD
        case State.BACKOFF:
            return Tone.WARNING
        case State.RUNNING:
            return Tone.WARNING if notice.old is State.READY else Tone.QUIET
        case State.WAITING:
            return Tone.WARNING if _restarts(notice, about) else Tone.QUIET
        case State.STARTING | State.DRAINING | State.STOPPING | State.STOPPED | State.REMOVED:
            return Tone.QUIET


def describe_remark(remark: Remark) -> tuple[str, Tone, bool]:
    """A remark in words, how good the news is, and whether a change of state tells the same."""
    notice = remark.notice
    if not isinstance(notice, Judged):
        return f"status: {notice.status}", Tone.QUIET, not notice.status
    probe, lasted = f"{notice.role.value} probe", duration(remark.lasted)
    match notice.judgement:
        case Judgement.SUSPECT:
            return f"suspect: {probe} failed: {notice.detail}", Tone.WARNING, False
        case Judgement.UNHEALTHY:
            text = f"{probe} has failed {notice.failed} times, for the first time {lasted} ago: {notice.detail}"
            return text, Tone.BAD, True
        case Judgement.RECOVERED if notice.failed == 0:
            return f"{probe} succeeds again, {lasted} after its first failure", Tone.GOOD, True
        case Judgement.RECOVERED:
            times = "once" if notice.failed == 1 else f"{notice.failed} times"
            text = f"recovered: {probe} had failed {times}, for the first time {lasted} ago"
            return text, Tone.GOOD, False


def name_of(remark: Remark) -> str:
    """What kind of event a remark is, for programs."""
    notice = remark.notice
    return notice.judgement.value if isinstance(notice, Judged) else "status"


def kind_of(tone: Tone) -> str:
    """What kind of event a free text is, for programs."""
    return "message" if tone in (Tone.QUIET, Tone.GOOD) else "warning"


def standing(one: Snapshot) -> str:
    """How an agent is, and what is known of why; what it says it is doing where nothing else is."""
    return f"{one.state.value}: {one.reason or one.status}" if one.reason or one.status else one.state.value


def duration(seconds: float) -> str:
    """A duration for people: `40 ms`, `2.1 s`, `45 s`, `2 min 5 s`, `3 h 20 min`."""
    seconds = max(seconds, 0.0)
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return _two(whole, 60, "min", "s")
    return _two(round(whole / 60), 60, "h", "min")


def _two(count: int, size: int, large: str, small: str) -> str:
    high, low = divmod(count, size)
    return f"{high} {large} {low} {small}" if low else f"{high} {large}"


def _restarts(notice: StateChanged, about: About) -> bool:
    """Whether a life has ended and another one follows that counts as a restart."""
    return notice.exit is not None and notice.restarts > about.restarts


def _waiting(notice: StateChanged, about: About) -> str:
    if _restarts(notice, about):
        # The reason is the exit alone unless something is in the way.
        now = " now" if notice.exit is not None and notice.reason == str(notice.exit) else ""
        return f"{_ended(notice)}; restart {notice.restarts}{now}"
    if notice.exit is not None:
        return f"{_ended(notice)}; starting again"
    return notice.reason or "waiting to start"


def _starting(notice: StateChanged) -> str:
    if notice.generation <= 1:
        return "starting"
    return f"starting again (restart {notice.restarts})" if notice.restarts else "starting again"


def _ready(about: About) -> str:
    if about.was_ready:
        return "ready again"
    after = "" if about.started_at is None else f" after {duration(about.now - about.started_at)}"
    return f"ready{after}{_where(about)}"


def _where(about: About) -> str:
    parts = [f"{name} {value}" for name, value in (("port", about.port), ("pid", about.pid)) if value is not None]
    return f" ({', '.join(parts)})" if parts else ""


def _ended(notice: StateChanged) -> str:
    return notice.reason or str(notice.exit or "ended")


def _in(at: float | None, now: float) -> str:
    return "" if at is None or at == math.inf else f" in {duration(at - now)}"


def _after(word: str, reason: str) -> str:
    """`word: reason`, without saying the word twice."""
    if not reason:
        return word
    return reason if reason.startswith(word) else f"{word}: {reason}"
