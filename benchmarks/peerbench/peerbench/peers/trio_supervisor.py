import json, os, sys
from pathlib import Path
from ..core import Peer, sh

PY = Path(os.environ.get("TRIO_SUPERVISOR_PYTHON", sys.executable))


class TrioSupervisor(Peer):
    name = "trio-supervisor"
    min_backoff = "0"
    workloads = {"W1", "W2", "W3", "W4", "W5", "W6"}
    why = "One Trio task decides; a small guardian spawns (posix_spawn) and tells the exits; one epoll for all pidfds and pipes, so an exit is seen at once; the first restart in a row is immediate by default."

    def version(self):
        return sh(str(PY), "-c", "from importlib.metadata import version; print('trio-supervisor', version('trio-supervisor'))", d=Path("/")).stdout.strip()

    def write(self, d, svcs):
        agents = {}
        for s in svcs:
            agents[s.name] = {"command": s.argv, "restart": "permanent" if s.restart else "temporary",
                              "backoff": {"initial": 0}, "stop": {"signal": "TERM", "grace": f"{s.grace:g}s"}}
            if s.log:
                agents[s.name]["log"] = {"file": s.log, "format": "raw", "size": "10M", "keep": 3, "console": False}
        (d / "supervisor.yaml").write_text(json.dumps({"supervisor": {"intensity": {"restarts": 1000000, "within": "60s"}}, "agents": agents}))

    def argv(self, d):
        return [str(PY), "-m", "trio_supervisor", "run", str(d / "supervisor.yaml")]
