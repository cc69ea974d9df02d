"""What all workloads share: the service a peer is told to run, the peer's interface, and one bounded run of a peer.

The harness and a small init under it are child subreapers, so everything a peer starts stays a descendant of the harness
whatever it daemonizes, and the clean-up kills exactly those pids."""
from __future__ import annotations

import ctypes, os, select, shutil, signal, subprocess, sys, tempfile, time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOOLS = Path(os.environ.get("TRIO_SUPERVISOR_PEERS") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "trio-supervisor-peers"))     # see install-peers.sh
BUILD = TOOLS / "build"
DEB = TOOLS / "deb"
PATHS = [str(TOOLS / "venv/bin"), str(TOOLS / "npm/node_modules/.bin"), str(DEB / "usr/bin"), str(DEB / "usr/sbin"), *os.environ.get("PATH", os.defpath).split(":")]
TICK = os.sysconf("SC_CLK_TCK")
MB = 1_000_000


@dataclass
class Svc:
    """One service, as a peer has to run it."""
    name: str
    argv: list[str]
    restart: bool = True          # restart always, as soon as the peer can
    grace: float = 2.0            # SIGTERM, then SIGKILL after this
    log: str | None = None        # None: the peer's own default; else capture stdout there, rotated at 10 MB x 3
    marked: bool = False          # each line of the log with the name and the time, where the peer can
    health_port: int | None = None
    pidfile: str | None = None    # for peers that need one (monit)


class Peer:
    name = "?"
    program = ""                                   # what must be installed
    can = {"crashes", "fleet", "stubborn", "output"}
    max_n = 1000
    max_tasks = 1_000_000
    min_backoff = "?"                              # the smallest restart delay it can be configured to
    quiet = False                                  # its own output to /dev/null, not to sup.out
    why = ""                                       # how its figures come about, one or two sentences

    def available(self) -> str | None:
        """None, or why this peer cannot run here."""
        return None if not self.program or find(self.program) else "not installed"

    def version(self) -> str:
        return "?"

    def write(self, d: Path, svcs: list[Svc]) -> None:
        raise NotImplementedError

    def argv(self, d: Path) -> list[str]:
        raise NotImplementedError

    def env(self, d: Path) -> dict[str, str]:
        return {}

    def popen(self, d: Path) -> subprocess.Popen:
        out = subprocess.DEVNULL if self.quiet else open(d / "sup.out", "wb")
        return spawn(self, d, subprocess.DEVNULL, out)

    def stop(self, d: Path, pid: int) -> None:
        os.kill(pid, signal.SIGTERM)

    def status(self, d: Path, svcs: list[Svc]) -> list[str] | None:
        """The command with which a person asks how all services are; None if the peer has none."""
        return None

    def log_glob(self, d: Path) -> str:
        return "logs/**/*"

    log_tail = 65536                               # how much of the newest log files' ends may hold the last line

    def inproc(self, n: int) -> list[str] | None:
        """The command that prints the figures of n in-process children as one JSON line."""
        return None

    def cleanup(self, d: Path) -> None:
        pass


def clean_env(d: Path) -> dict[str, str]:
    return {"PATH": ":".join([*PATHS, "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"]), "HOME": str(d), "LANG": "C.UTF-8", "TERM": "xterm", "ERL_CRASH_DUMP": "/dev/null"}


def find(program: str) -> str | None:
    return shutil.which(program, path=":".join(PATHS))


def spawn(peer: Peer, d: Path, stdin, out) -> subprocess.Popen:
    """Start the peer under c/reaper.c, which does for its orphans what init does"""
    return subprocess.Popen([BUILD / "reaper", d / "main.pid", *peer.argv(d)], cwd=d, env={**clean_env(d), **peer.env(d)}, stdin=stdin, stdout=out, stderr=out, start_new_session=True)


def sh(*argv: str, d: Path, timeout: float = 60, **env: str) -> subprocess.CompletedProcess:
    return subprocess.run(argv, cwd=d, env={**clean_env(d), **env}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)


def package(name: str) -> str:
    """The version by Debian's file of what was unpacked, or by dpkg."""
    found = sorted((DEB / "dl").glob(f"{name}_*.deb"))
    said = found[-1].name.split("_")[1] if found else sh("dpkg-query", "-W", "-f", "${Version}", name, d=HERE).stdout
    return f"{name} {said.replace('%3a', ':') or '?'}"


def now() -> int:
    return time.monotonic_ns()


def build() -> None:
    """Compile what is in C (and in Erlang, where there is erlc)."""
    BUILD.mkdir(parents=True, exist_ok=True)
    for f in ("child", "floor", "prober", "reaper"):
        src, out = HERE / f"c/{f}.c", BUILD / f
        if not out.exists() or out.stat().st_mtime < src.stat().st_mtime:
            subprocess.run(["cc", "-O2", "-static", "-o", out, src], check=True)
    erl = HERE / "inproc/otp_tasks.erl"
    beam = BUILD / "otp_tasks.beam"
    if find("erlc") and (not beam.exists() or beam.stat().st_mtime < erl.stat().st_mtime):
        subprocess.run(["erlc", "-o", BUILD, erl], check=True)


def become_subreaper() -> None:
    if ctypes.CDLL(None).prctl(36, 1, 0, 0, 0):
        sys.exit("prctl(PR_SET_CHILD_SUBREAPER) failed")


def reap() -> None:
    """Collect orphans that came to us; Popen copes with a lost status."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _stat(pid: int) -> list[str] | None:
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(") ", 1)[1].split()
    except OSError:
        return None


def tree() -> dict[int, list[str]]:
    """pid -> stat fields (from 'state' on) of every live descendant of this process."""
    all_ = {int(p): s for p in os.listdir("/proc") if p.isdigit() and (s := _stat(int(p)))}
    kids: dict[int, list[int]] = {}
    for p, s in all_.items():
        kids.setdefault(int(s[1]), []).append(p)
    out, todo = {}, list(kids.get(os.getpid(), ()))
    while todo:
        p = todo.pop()
        out[p] = all_[p]
        todo += kids.get(p, ())
    return {p: s for p, s in out.items() if s[0] not in "ZX"}


def exe(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


@dataclass
class Cost:
    """CPU (s, ns-exact for live tasks) and wakeups of a set of processes since they began, and their memory now (KiB)."""
    cpu: dict[tuple, float] = field(default_factory=dict)      # by (pid, tid)
    reaped: dict[int, float] = field(default_factory=dict)     # CPU of children they have waited for
    wake: dict[tuple, int] = field(default_factory=dict)
    rss: int = 0
    pss: int = 0
    uss: int = 0

    @staticmethod
    def of(pids, mem: bool = False) -> "Cost":
        c = Cost()
        for p in pids:
            try:
                s = _stat(p)
                if s is None:
                    continue
                for t in os.listdir(f"/proc/{p}/task"):
                    c.cpu[p, t] = int(open(f"/proc/{p}/task/{t}/schedstat").read().split()[0]) / 1e9
                    for ln in open(f"/proc/{p}/task/{t}/status"):
                        if ln.startswith("voluntary_ctxt"):
                            c.wake[p, t] = int(ln.split()[1])
                c.reaped[p] = (int(s[13]) + int(s[14])) / TICK
                if mem:
                    for ln in open(f"/proc/{p}/smaps_rollup"):
                        k, _, v = ln.partition(":")
                        if k == "Rss":
                            c.rss += int(v.split()[0])
                        elif k == "Pss":
                            c.pss += int(v.split()[0])
                        elif k in ("Private_Clean", "Private_Dirty"):
                            c.uss += int(v.split()[0])
            except (OSError, IndexError):
                continue
        return c

    def since(self, a: "Cost") -> tuple[float, int]:
        cpu = sum(v - a.cpu.get(p, 0) for p, v in self.cpu.items()) + sum(v - a.reaped.get(p, 0) for p, v in self.reaped.items() if p in a.reaped)
        return cpu, sum(v - a.wake.get(p, 0) for p, v in self.wake.items())


@dataclass
class Ev:
    kind: str
    idx: int
    pid: int
    ns: int
    extra: int


class Run:
    """One peer, started once in a fresh directory on tmpfs, and everything killed after."""

    def __init__(self, peer: Peer):
        self.peer = peer
        self.d = Path(tempfile.mkdtemp(prefix=f"peerbench-{peer.name}-", dir="/dev/shm"))
        self.child = str(self.d / "child")
        shutil.copy2(BUILD / "child", self.child)
        self.ev = str(self.d / "ev")
        self.svcs: list[Svc] = []
        self.proc: subprocess.Popen | None = None
        self.pid = 0
        self.t0 = 0

    def svc(self, mode: str, arg: str | int = 0, **kw) -> Svc:
        i = len(self.svcs)
        s = Svc(f"s{i}", [self.child, mode, self.ev, str(i), str(arg), str(self.d / f"s{i}.pid")], pidfile=str(self.d / f"s{i}.pid"), **kw)
        self.svcs.append(s)
        return s

    def start(self) -> None:
        (self.d / "logs").mkdir()
        self.peer.write(self.d, self.svcs)
        self.t0 = now()
        self.proc = self.peer.popen(self.d)

    def events(self) -> list[Ev]:
        try:
            raw = open(self.ev).read()
        except FileNotFoundError:
            return []
        out = []
        for ln in raw[:raw.rfind("\n") + 1].splitlines():
            k, i, p, t, x = ln.split()
            out.append(Ev(k, int(i), int(p), int(t), int(x)))
        return out

    def wait_started(self, n: int, timeout: float, kinds: str = "S") -> list[Ev]:
        """Wait until n different services have reported; their first S events in time order."""
        end = time.monotonic() + timeout
        size = -1
        while True:
            try:
                sz = os.stat(self.ev).st_size
            except FileNotFoundError:
                sz = 0
            if sz != size:
                size = sz
                first = {}
                for e in self.events():
                    if e.kind in kinds:
                        first.setdefault((e.kind, e.idx, e.extra), e)
                if len(first) >= n:
                    self.pid = int((self.d / "main.pid").read_text())
                    return sorted(first.values(), key=lambda e: e.ns)
            if time.monotonic() > end:
                raise TimeoutError(f"only {len(first) if size > 0 else 0} of {n} started in {timeout} s; {self.tail()}")
            if self.proc.poll() is not None:
                raise RuntimeError(f"the supervisor ended early: {self.tail()}")
            time.sleep(0.01)

    def tail(self) -> str:
        try:
            return (self.d / "sup.out").read_text(errors="replace")[-600:]
        except OSError:
            return ""

    def split(self) -> tuple[list[int], list[int]]:
        """(supervisor pids, child pids)"""
        sup, kids = [], []
        for p in tree():
            if p == self.proc.pid:                    # the reaper
                continue
            (kids if exe(p).startswith(self.child) else sup).append(p)
        return sup, kids

    def wait_gone(self, kids: list[int], sup: list[int], timeout: float, kick) -> tuple[float | None, float | None]:
        """Call kick(), then the seconds until the last child and the last supervisor process are gone (None: not in time)."""
        fds, poll = {}, select.poll()
        for p in kids + sup:
            try:
                fd = os.pidfd_open(p)
            except ProcessLookupError:
                continue
            fds[fd] = p
            poll.register(fd, select.POLLIN)
        k, t_kid, t_sup, t0 = set(kids), None, None, now()
        kick()
        while fds and (left := timeout - (now() - t0) / 1e9) > 0:
            for fd, _ in poll.poll(left * 1000):
                t = (now() - t0) / 1e9
                poll.unregister(fd)
                os.close(fd)
                if fds.pop(fd) in k:
                    t_kid = t
                else:
                    t_sup = t
        alive = set(fds.values())
        for fd in fds:
            os.close(fd)
        return (None if alive & k else t_kid), (None if alive - k else t_sup)

    def close(self) -> None:
        """Kill what is left of this run (by pid, descendants of this process only), drop its directory."""
        for attempt in range(200):
            pids = tree()
            if not pids:
                break
            for p in sorted(pids, reverse=attempt % 2 == 1):
                try:
                    os.kill(p, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            reap()
            time.sleep(0.01)
        if self.proc:
            try:
                self.proc.wait(5)
            except subprocess.TimeoutExpired:
                pass
        end = time.monotonic() + 10
        while time.monotonic() < end:                    # a big process takes its time to go; its CPU belongs to this run
            try:
                if not os.waitpid(-1, os.WNOHANG)[0]:
                    time.sleep(0.01)
            except ChildProcessError:
                break
        self.peer.cleanup(self.d)
        shutil.rmtree(self.d, ignore_errors=True)

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *a) -> None:
        self.close()


def busy() -> tuple[float, float]:
    """(busy CPU seconds of the whole machine since boot, this process's own and its waited children's)"""
    f = [int(x) for x in open("/proc/stat").readline().split()[1:9]]
    t = os.times()
    return (sum(f) - f[3] - f[4]) / TICK, t.user + t.system + t.children_user + t.children_system
