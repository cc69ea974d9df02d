from pathlib import Path
from ..core import Peer, find, package
from .runit import service_dirs


class S6(Peer):
    name = "s6"
    program = "s6-svscan"
    min_backoff = "0 once 1 s past readiness (notification-fd); 1 s after each death without (fixed)"
    why = "One s6-supervise (C) a service; without a readiness notification it waits 1 s after every death, with one until 1 s after readiness; SIGTERM to s6-svscan stops all at once, timeout-kill escalates."

    def available(self):
        # It calls its own programs by the path that it was built for: unpacked elsewhere it does not run.
        return super().available() or (None if Path("/usr/bin/s6-supervise").exists() else "not installed in /usr/bin, where it looks for its own programs")

    def version(self):
        return package("s6")

    def write(self, d, svcs):
        def extra(p, s):
            (p / "notification-fd").write_text("3\n")
            (p / "timeout-kill").write_text(f"{int(s.grace * 1000)}\n")
        service_dirs(d / "sv", svcs, lambda s: f"s6-log -b n3 s10000000 {d}/logs/{s.name}", extra, "echo >&3; exec 3>&-")       # ready at once: else s6 waits 1 s after every death

    def argv(self, d):
        return [find("s6-svscan"), "-c", "2100", str(d / "sv")]
