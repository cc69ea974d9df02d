"""What is measured: each figure with its unit, and the sizes of a run, which stand in the words for it."""

from dataclasses import asdict, dataclass

Measured = dict[str, float | None]
"""Figures by key; None: it never came to an end."""


@dataclass(frozen=True)
class Sizes:
    """How much of everything there is."""

    few: int = 200
    """Children of the smaller fleet, endpoints, agents that talk."""
    many: int = 1000
    crashes: int = 40
    crash_limit: float = 8.0
    """Seconds after which those that wait long before a restart have shown enough."""
    settle: float = 2.0
    idle: float = 5.0
    """Seconds of rest in which wake-ups are counted; of probing, of talking."""
    flood: int = 3
    """Seconds of output flat out."""
    tasks: int = 10_000
    many_tasks: int = 100_000
    events: int = 10_000
    """In a second."""
    followers: int = 10
    asked: int = 20
    """Questions over the socket, and half as many in a shell."""

    def words(self) -> dict[str, str]:
        """For the titles of figures."""
        return {name: f"{value:,}" if isinstance(value, int) else f"{value:g}" for name, value in asdict(self).items()}


FULL = Sizes()
QUICK = Sizes(
    few=5, many=8, crashes=4, crash_limit=4, settle=0.3, idle=1.5, flood=1, tasks=100, many_tasks=200, events=500,
    followers=2, asked=2,
)  # fmt: skip
"""To see that everything works; what it says about speed is worth nothing."""


@dataclass(frozen=True)
class Figure:
    """Something measured."""

    key: str
    """`W2.few.all_s`: the workload first."""
    title: str
    """With names of sizes in braces."""
    unit: str
    less_is_better: bool = True

    @property
    def workload(self) -> str:
        """The number of the workload."""
        return self.key.partition(".")[0]


def _of_a_fleet(size: str) -> tuple[Figure, ...]:
    of = f"{{{size}}}"
    return (
        Figure(f"W2.{size}.first_s", f"cold start of {of}: the first child runs", "s"),
        Figure(f"W2.{size}.all_s", f"cold start to {of} running", "s"),
        Figure(f"W3.{size}.wakeups", f"idle with {of}: wake-ups", "/s"),
        Figure(f"W3.{size}.cpu", f"idle with {of}: CPU", "ms/s"),
        Figure(f"W3.{size}.pss_mb", f"idle with {of}: memory (PSS) of all its processes", "MB"),
        Figure(f"W4.{size}.children_s", f"{of} stopped: the children are gone", "s"),
        Figure(f"W4.{size}.all_s", f"{of} stopped: all is gone", "s"),
    )


def _of_a_flood(kind: str, writes: str) -> tuple[Figure, ...]:
    return (
        Figure(f"W5.{kind}.mb_s", f"one child flat out, {writes} a write: into the file", "MB/s", less_is_better=False),
        Figure(f"W5.{kind}.cores", f"one child flat out, {writes} a write: CPU", "cores"),
        Figure(f"W5.{kind}.grown_mb", f"one child flat out, {writes} a write: memory grown by", "MB"),
    )


def _of_talk(kind: str, how: str) -> tuple[Figure, ...]:
    said = f"{{few}} children, 1,000 lines a second each, {how}"
    return (
        Figure(f"W5.{kind}.lines_s", f"{said}: in the files", "lines/s", less_is_better=False),
        Figure(f"W5.{kind}.cores", f"{said}: CPU", "cores"),
        Figure(f"W5.{kind}.pss_mb", f"{said}: memory", "MB"),
    )


def _of_probes(size: str) -> tuple[Figure, ...]:
    each = f"{{{size}}} HTTP endpoints each second"
    return (
        Figure(f"W6.{size}.probes_s", f"{each}: answers", "/s", less_is_better=False),
        Figure(f"W6.{size}.cores", f"{each}: CPU", "cores"),
    )


def _of_tasks(size: str) -> tuple[Figure, ...]:
    of = f"{{{size}}} tasks"
    return (
        Figure(f"W7.{size}.start_us", f"{of}: to start one", "us"),
        Figure(f"W7.{size}.kb", f"{of}: memory of one", "KB"),
        Figure(f"W7.{size}.all_restart_us", f"{of} that crash at once: to have one again", "us"),
        Figure(f"W7.{size}.restart_us", f"beside {of}, one that crashes in a loop: a restart", "us"),
        Figure(
            f"W7.{size}.restart_p50_us", f"beside {of}, one that crashes now and then: crash to running, median", "us"
        ),
    )


PRICES = {
    "ring": "into the ring",
    "text": "a file with name and time",
    "json": "a file of JSON lines",
    "redact1": "redaction of 1 secret",
    "redact3": "redaction of 3 secrets",
    "redact10": "redaction of 10 secrets",
    "parse": "parsing a JSON line",
}

_ALL = (
    Figure("W1.p50_ms", "crash to running again, median", "ms"),
    Figure("W1.p99_ms", "crash to running again, 99th percentile", "ms"),
    *_of_a_fleet("few"),
    *_of_a_fleet("many"),
    Figure("W4.stubborn_s", "5 that ignore SIGTERM, grace 2 s: all is gone", "s"),
    *_of_a_flood("small", "200 bytes"),
    *_of_a_flood("big", "64,000 bytes"),
    *_of_talk("raw", "raw"),
    *_of_talk("marked", "with name and time"),
    *(Figure(f"W5.price.{key}", f"price of a 98-byte line: {said}", "us") for key, said in PRICES.items()),
    *_of_probes("few"),
    *_of_probes("many"),
    *_of_tasks("tasks"),
    *_of_tasks("many_tasks"),
    Figure("W8.events_s", "{events} events a second, {followers} followers: told", "/s", less_is_better=False),
    Figure("W8.lag_p99_ms", "{events} events a second, {followers} followers: lag of the loop, 99th percentile", "ms"),
    Figure("W8.lag_max_ms", "{events} events a second, {followers} followers: lag of the loop, at most", "ms"),
    Figure("W8.heard", "{events} events a second: heard by each follower", "%", less_is_better=False),
    Figure("W8.alone_p99_ms", "{events} events a second, journal alone: lag of the loop, 99th percentile", "ms"),
    Figure("W9.first_ms", "{many} children: the first snapshot over the socket", "ms"),
    Figure("W9.snapshot_ms", "{many} children: a snapshot over the socket", "ms"),
    Figure("W9.status_ms", "{many} children: `status` in a shell", "ms"),
)

FIGURES = {figure.key: figure for figure in _ALL}

WORKLOADS = {
    "W1": "crash to running again",
    "W2": "cold start",
    "W3": "idle",
    "W4": "stop",
    "W5": "output",
    "W6": "HTTP probes",
    "W7": "in-process children",
    "W8": "journal and events",
    "W9": "control",
}
