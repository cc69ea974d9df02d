from ..core import TOOLS, Peer, find, sh



class Honcho(Peer):
    name = "honcho"
    program = "honcho"
    can = {"fleet", "output"}
    max_n = 200                                          # 1,000 take 3 GB
    min_backoff = "no restarts (all stop when one exits)"
    why = "One Python fork (multiprocessing) a service that relays its lines through a queue to the parent's stdout: memory and log cost double; fixed KILL_WAIT of 5 s."

    def version(self):
        return sh(find("honcho"), "version", d=TOOLS).stdout.strip()

    def write(self, d, svcs):
        (d / "Procfile").write_text("".join(f"{s.name}: exec {' '.join(s.argv)}\n" for s in svcs))

    def argv(self, d):
        return [find("honcho"), "start", "-f", str(d / "Procfile")]

    def log_glob(self, d):
        return "sup.out"
