import json
from pathlib import Path
from ..core import TOOLS, Peer, find, sh



class Pm2(Peer):
    """pm2-runtime: pm2's daemon in the foreground."""
    name = "pm2"
    program = "pm2-runtime"
    min_backoff = "0 (restart_delay=0; unstable after max_restarts=16 unless raised)"
    why = "Node: child_process.spawn and an event-driven exit handler, no delay unless asked for; actions run one after another; polls pids while stopping."

    def version(self):
        return "pm2 " + json.loads(Path(find("pm2")).resolve().parent.with_name("package.json").read_text())["version"] + " on node " + sh("node", "--version", d=TOOLS).stdout.strip()

    def write(self, d, svcs):
        apps = []
        for s in svcs:
            a = {"name": s.name, "script": s.argv[0], "args": s.argv[1:], "exec_interpreter": "none", "interpreter": "none", "exec_mode": "fork", "autorestart": s.restart, "max_restarts": 100000000,
                 "min_uptime": 0, "restart_delay": 0, "kill_timeout": int(s.grace * 1000), "vizion": False, "pmx": False, "automation": False, "merge_logs": True, "cwd": str(d)}
            if s.log:
                a |= {"out_file": s.log, "error_file": s.log + ".err"}
            apps.append(a)
        (d / "eco.config.json").write_text(json.dumps({"apps": apps}))

    def env(self, d):
        return {"PM2_HOME": str(d / "pm2"), "PM2_DISABLE_VERSION_CHECK": "true", "DO_NOT_TRACK": "1"}

    def argv(self, d):
        return [find("pm2-runtime"), "start", str(d / "eco.config.json"), "--no-auto-exit"]

    def status(self, d, svcs):
        return [find("pm2"), "list"]
