import os, signal, subprocess
from ..core import Peer, clean_env, find, package


def service_dirs(root, svcs, logger, extra=None, pre=""):
    """DJB-style scan directory: root/NAME/run, root/NAME/log/run"""
    root.mkdir()
    for s in svcs:
        p = root / s.name
        p.mkdir()
        run = p / "run"
        run.write_text(f"#!/bin/sh\n{'exec 2>&1' if s.log else ''}\n{pre}\nexec {' '.join(s.argv)}\n")
        run.chmod(0o755)
        if s.log:
            (p / "log").mkdir()
            lr = p / "log" / "run"
            lr.write_text(f"#!/bin/sh\nexec {logger(s)}\n")
            lr.chmod(0o755)
            p.chmod(0o1755)
        if extra:
            extra(p, s)
    os.utime(root, (1e9, 1e9))           # runsvdir waits 1 s where the directory changed this very second


class Runit(Peer):
    name = "runit"
    program = "runsvdir"
    min_backoff = "0 after 1 s of life, else 1 s (fixed)"
    why = "One runsv (C) a service, forked by runsvdir, plus one svlogd for a log; runsv sleeps 1 s when run exits within 1 s; no SIGKILL on shutdown unless `sv force-shutdown -w` asks."

    def version(self):
        return package("runit")

    def write(self, d, svcs):
        (d / "logs").mkdir(exist_ok=True)

        def logger(s):
            (d / "logs" / s.name).mkdir()
            (d / "logs" / s.name / "config").write_text("s10000000\nn3\n")
            return f"svlogd {d}/logs/{s.name}"
        service_dirs(d / "sv", svcs, logger)
        self.grace = any(s.argv[1] == "term" for s in svcs)

    def argv(self, d):
        return [find("runsvdir"), "-P", str(d / "sv")]

    def stop(self, d, pid):
        if self.grace:                                  # what escalates: sv force-shutdown, waits 2 s, then KILL
            os.kill(pid, signal.SIGTERM)                # runsvdir goes, runsv stay
            subprocess.Popen(["sv", "-w", "2", "force-shutdown", *map(str, sorted((d / "sv").iterdir()))], env=clean_env(d), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        else:
            os.kill(pid, signal.SIGHUP)                 # runsvdir: TERM to every runsv, exit

    def status(self, d, svcs):
        return [find("sv"), "status", *(str(d / "sv" / s.name) for s in svcs)]
