import json, sys
from ..core import HERE, Peer, sh


class TrioSupervisor(Peer):
    name = "trio-supervisor"
    min_backoff = "0"
    can = Peer.can | {"probing", "tasks", "own"}
    why = "One Trio task decides; a small guardian spawns (posix_spawn) and tells the exits; one epoll for all pidfds and pipes, so an exit is seen at once; the first restart in a row is immediate by default."

    def version(self):
        return sh(sys.executable, "-c", "from importlib.metadata import version; print('trio-supervisor', version('trio-supervisor'))", d=HERE).stdout.strip()

    def write(self, d, svcs):
        agents = {}
        for s in svcs:
            agents[s.name] = {"command": s.argv, "restart": "permanent" if s.restart else "temporary",
                              "backoff": {"initial": 0}, "stop": {"signal": "TERM", "grace": f"{s.grace:g}s"}}
            if s.log:
                agents[s.name]["log"] = {"file": s.log, "format": "text" if s.marked else "raw", "size": "10M", "keep": 3, "console": False}
            if s.health_port:
                agents[s.name]["health"] = {"http": f"http://127.0.0.1:{s.health_port}/health", "period": "1s", "timeout": "2s", "failures": 3}
        (d / "supervisor.yaml").write_text(json.dumps({"supervisor": {"intensity": {"restarts": 1000000, "within": "60s"}}, "agents": agents}))

    def argv(self, d):
        return [sys.executable, "-m", "trio_supervisor", "run", str(d / "supervisor.yaml"), "--state-dir", str(d / "state")]

    def status(self, d, svcs):
        return [sys.executable, "-m", "trio_supervisor", "status", "--state-dir", str(d / "state")]

    def inproc(self, n):
        return [sys.executable, str(HERE / "inproc/our_tasks.py"), str(n)]
