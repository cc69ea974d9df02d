from ..core import TOOLS, Peer, find, sh



class Circus(Peer):
    name = "circus"
    program = "circusd"
    min_backoff = "check_delay (default 5 s; 0.02 s in W1)"
    why = "Dead children are found by a periodic callback every check_delay (default 5 s); starting runs one watcher after another on a tornado loop, psutil per process."

    def version(self):
        return "circus " + sh(find("circusd"), "--version", d=TOOLS).stdout.strip()

    def write(self, d, svcs):
        crash = svcs[0].argv[1] == "crash"
        out = [f"[circus]\ncheck_delay = {0.02 if crash else 5}\nendpoint = ipc://{d}/ep\npubsub_endpoint = ipc://{d}/pub\nstatsd = False\nhttpd = False\nwarmup_delay = 0\n"]
        for s in svcs:
            out.append(f"[watcher:{s.name}]\ncmd = {s.argv[0]}\nargs = {' '.join(s.argv[1:])}\nnumprocesses = 1\ngraceful_timeout = {s.grace:g}\nwarmup_delay = 0\n"
                       f"respawn = {s.restart}\nstop_children = True\ncopy_env = True\n")
            if s.log:
                out.append(f"stdout_stream.class = FileStream\nstdout_stream.filename = {s.log}\nstdout_stream.max_bytes = 10000000\nstdout_stream.backup_count = 3\n")
        (d / "circus.ini").write_text("".join(out))

    def argv(self, d):
        return [find("circusd"), str(d / "circus.ini")]

    def status(self, d, svcs):
        return [find("circusctl"), "--endpoint", f"ipc://{d}/ep", "status"]
