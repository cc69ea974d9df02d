"""The birth of a process: what has to happen between fork and exec, in the child itself.

Runs in the fork of a small single-threaded process, or in the place of a program (see `become_planned`): never in the
fork of a supervisor, which may be large and has threads.
"""

import marshal
import operator
import os
import resource
import signal

from trio_supervisor.system import cgroup, lineage

IGNORABLE = [
    number
    for number in signal.valid_signals()
    if number not in (signal.SIGKILL, signal.SIGSTOP) and number < signal.SIGRTMIN
]


class Plan:
    """What a process is to be. Not to be changed; travels as bytes."""

    __slots__ = (  # noqa: RUF023 -- in the order of the arguments: so it travels
        "program",
        "argv",
        "env",
        "cwd",
        "join",
        "account",
        "umask",
        "nice",
        "oom_score_adj",
        "rlimits",
        "listen",
        "ceilings",
        "terminal",
    )

    def __init__(
        self,
        program: str,
        argv: tuple[str, ...],
        env: dict[str, str],
        cwd: str | None = None,
        join: tuple[str, ...] = (),
        account: tuple[int | None, int | None, tuple[int, ...] | None] = (None, None, None),
        umask: int | None = None,
        nice: int | None = None,
        oom_score_adj: int | None = None,
        rlimits: tuple[tuple[int, int, int], ...] = (),
        listen: bool = False,
        ceilings: bool = False,
        terminal: bool = False,
    ) -> None:
        """`program`: a path. `join`: `cgroup.procs` files. `account`: user, group, supplementary groups, by number.

        `rlimits`: (which, soft, hard). `listen`: descriptors after the third are sockets, and it is told so by
        LISTEN_PID, as `env` has LISTEN_FDS. `ceilings`: the cgroup has some, and kills who is over them. `terminal`:
        descriptor 0 is one, and becomes the controlling terminal of its session.
        """
        self.program = program
        self.argv = argv
        self.env = env
        self.cwd = cwd
        self.join = join
        self.account = account
        self.umask = umask
        self.nice = nice
        self.oom_score_adj = oom_score_adj
        self.rlimits = rlimits
        self.listen = listen
        self.ceilings = ceilings
        self.terminal = terminal

    def pack(self) -> bytes:
        """As bytes, for the same Python elsewhere."""
        return marshal.dumps(_IN_ORDER(self))

    @classmethod
    def unpack(cls, packed: bytes) -> "Plan":
        """The opposite of `pack`."""
        return cls(*marshal.loads(packed))

    @property
    def plain(self) -> bool:
        """Whether nothing has to happen but a cgroup, a session, a directory, standard descriptors and exec."""
        special = (self.umask, self.nice, self.oom_score_adj)
        unchanged = self.account == (None, None, None) and special == (None, None, None)
        return unchanged and not (self.rlimits or self.listen or self.ceilings or self.terminal)


_IN_ORDER = operator.attrgetter(*Plan.__slots__)


def become(plan: Plan, fds: list[int], failures: int) -> None:
    """Become the program of `plan`, with `fds` as descriptors 0, 1, 2, ...; never returns.

    What fails is written to `failures` as (step, error number, words); it closes when the program is loaded.
    """
    step = "descriptors"
    try:
        # First, as a limit of their number is one of the steps.
        failures = _arrange(fds, failures)
        for name, take in _STEPS:
            step = name
            take(plan)
        step = "exec"
        env = plan.env | {"LISTEN_PID": str(os.getpid())} if plan.listen else plan.env
        os.execve(plan.program, plan.argv, env)
    except BaseException as error:  # noqa: ASYNC103 -- this process ends here
        number = error.errno if isinstance(error, OSError) else 0
        os.write(failures, marshal.dumps((step, number or 0, str(error))))
    finally:
        os._exit(127)


def _signals(_plan: Plan) -> None:
    for number in IGNORABLE:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _join(plan: Plan) -> None:
    for path in plan.join:
        cgroup.join(path)


def _session(_plan: Plan) -> None:
    # A program that is execed in the place of this one may lead its session already.
    if os.getsid(0) != os.getpid():
        os.setsid()


def _terminal(plan: Plan) -> None:
    if plan.terminal:
        import fcntl  # noqa: PLC0415 -- as in `_arrange`
        import termios  # noqa: PLC0415

        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        user = plan.account[0]
        if user is not None:
            # As login(1) does: else whoever it becomes may not open its own terminal by name.
            os.fchown(0, user, -1)


def _oom_score_adj(plan: Plan) -> None:
    if plan.oom_score_adj is not None:
        fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(fd, str(plan.oom_score_adj).encode())
        os.close(fd)


def _nice(plan: Plan) -> None:
    if plan.nice is not None:
        os.setpriority(os.PRIO_PROCESS, 0, plan.nice)


def _rlimits(plan: Plan) -> None:
    for which, soft, hard in plan.rlimits:
        try:
            resource.setrlimit(which, (soft, hard))
        except (OSError, ValueError) as error:
            number = error.errno if isinstance(error, OSError) else 0
            # Who reads this gets the number of the limit.
            raise OSError(number or 1, str(which)) from error


def _tag(plan: Plan) -> None:
    value = lineage.tag(plan.env)
    if value is not None and all(which != resource.RLIMIT_RTTIME for which, _, _ in plan.rlimits):
        lineage.wear(value)


def _umask(plan: Plan) -> None:
    if plan.umask is not None:
        os.umask(plan.umask)


def _account(plan: Plan) -> None:
    user, group, groups = plan.account
    if groups is not None:
        os.setgroups(groups)
    if group is not None:
        os.setgid(group)
    if user is not None:
        os.setuid(user)


def _cwd(plan: Plan) -> None:
    if plan.cwd is not None:
        os.chdir(plan.cwd)


_STEPS = (
    ("signals", _signals),
    ("cgroup", _join),
    ("session", _session),
    ("terminal", _terminal),
    ("oom_score_adj", _oom_score_adj),
    ("nice", _nice),
    ("tag", _tag),
    ("rlimits", _rlimits),
    ("umask", _umask),
    ("user", _account),
    ("cwd", _cwd),
)
"""In this order: what needs privileges comes before the user, whose rights the directory needs."""


def _arrange(fds: list[int], failures: int) -> int:
    import fcntl  # noqa: PLC0415 -- most births need it, the import of this module by a supervisor does not

    # Moved up first, so that none of them is overwritten by another one's new number.
    failures = fcntl.fcntl(failures, fcntl.F_DUPFD_CLOEXEC, len(fds))
    above = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, len(fds)) for fd in fds]
    for number, fd in enumerate(above):
        os.dup2(fd, number)
    return failures


def become_planned(plan: int, failures: int, *fds: int) -> None:
    """As `become`, in the place of a program; the plan is read from the memory file `plan`."""
    with open(plan, "rb") as file:
        file.seek(0)
        wanted = Plan.unpack(file.read())
    for fd in (failures, *fds):
        os.set_inheritable(fd, False)
    become(wanted, list(fds), failures)
