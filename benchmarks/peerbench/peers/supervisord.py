from ..core import TOOLS, Peer, find, sh



class Supervisord(Peer):
    name = "supervisord"
    program = "supervisord"
    min_backoff = "0 (startsecs=0; default backoff 1,2,3.. s, FATAL after startretries=3)"
    why = ("One poll() loop with timeout 1 s: a dead child's closed pipes wake it, it reaps after the transition pass, so the restart waits for the next wake-up: "
           "one tick of up to 1 s; stopping children escalates in the same tick.")

    def version(self):
        return "supervisord " + sh(find("supervisord"), "--version", d=TOOLS).stdout.strip()

    def write(self, d, svcs):
        out = [f"""[supervisord]
nodaemon=true
logfile={d}/supervisord.log
pidfile={d}/supervisord.pid
childlogdir={d}/logs
minfds={1024 if len(svcs) <= 250 else 4 * len(svcs)}
[unix_http_server]
file={d}/sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{d}/sock
"""]
        for s in svcs:
            out.append(f"""[program:{s.name}]
command={' '.join(s.argv)}
autorestart={'true' if s.restart else 'false'}
startsecs=0
startretries=1000000
stopwaitsecs={s.grace:g}
stopasgroup=true
killasgroup=true
redirect_stderr=true
""" + (f"stdout_logfile={s.log}\nstdout_logfile_maxbytes=10MB\nstdout_logfile_backups=3\n" if s.log else ""))
        (d / "s.conf").write_text("".join(out))

    def argv(self, d):
        return [find("supervisord"), "-c", str(d / "s.conf")]

    def status(self, d, svcs):
        return [find("supervisorctl"), "-c", str(d / "s.conf"), "status"]
