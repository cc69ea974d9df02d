import json
from ..core import TOOLS, Peer, find, sh


class ProcessCompose(Peer):
    name = "process-compose"
    quiet = True                    # headless it repeats every line on stdout; as under -D, that goes to /dev/null
    program = "process-compose"
    can = Peer.can | {"probing"}
    min_backoff = "1 s (backoff_seconds: integer, 0 means 1; constant)"
    why = "Go, a few goroutines a process; the restart delay is max(backoff_seconds, 1) s; captured lines go through a zerolog JSON logger, one line at a time; stops with setpgid groups."

    def version(self):
        return "process-compose " + sh(find("process-compose"), "version", d=TOOLS).stdout.split("Version:")[-1].split()[0]

    def write(self, d, svcs):
        procs = {}
        for s in svcs:
            p = {"entrypoint": s.argv, "availability": {"restart": "always" if s.restart else "no", "backoff_seconds": 1},
                 "shutdown": {"signal": 15, "timeout_seconds": int(s.grace)}}
            if s.log:
                p |= {"log_location": s.log, "log_configuration": {"rotation": {"max_size_mb": 10, "max_backups": 3}}}
            if s.health_port:
                p["readiness_probe"] = {"http_get": {"host": "127.0.0.1", "scheme": "http", "path": "/health", "port": s.health_port}, "initial_delay_seconds": 1, "period_seconds": 1, "timeout_seconds": 2, "failure_threshold": 3}
            procs[s.name] = p
        (d / "pc.yaml").write_text(json.dumps({"version": "0.5", "processes": procs}))

    def argv(self, d):
        return [find("process-compose"), "up", "-f", str(d / "pc.yaml"), "-t=false", "-U", "-u", str(d / "pc.sock"), "-L", str(d / "pc.log"), "--keep-project", "--disable-dotenv"]

    def status(self, d, svcs):
        return [find("process-compose"), "-U", "-u", str(d / "pc.sock"), "-L", str(d / "pcc.log"), "process", "list"]
