from ..core import BUILD, HERE, TOOLS, Peer, find, sh

TRIOTP = TOOLS / "venv-triotp/bin/python"


class Erlang(Peer):
    """An OTP supervisor (one_for_one) with a gen_server for each child."""
    name = "erlang-otp"
    program = "erlc"
    can = {"tasks"}
    min_backoff = "0 (restarts at once; intensity limits only)"
    why = "BEAM: a process is a heap of 233 words and a message to its supervisor."

    def version(self):
        return "Erlang/OTP " + sh("erl", "-noshell", "-eval", "io:put_chars(erlang:system_info(otp_release)),halt().", d=HERE).stdout.strip()

    def inproc(self, n):
        return [find("erl"), "-noshell", "-noinput", "+P", "1000000", "-kernel", "logger_level", "none", "-pa", str(BUILD), "-run", "otp_tasks", "main", str(n)]


class Triotp(Peer):
    name = "triotp"
    can = {"tasks"}
    max_tasks = 10_000
    min_backoff = "0"
    why = "tenacity around a nursery a child, trio_util.defer_to_cancelled, logbook: several frames and objects a restart; pins trio 0.19."

    def available(self):
        return None if TRIOTP.exists() else "not installed"

    def version(self):
        return sh(str(TRIOTP), "-c", "import importlib.metadata as m;print('triotp',m.version('triotp'),'trio',m.version('trio'))", d=HERE).stdout.strip()

    def inproc(self, n):
        return [str(TRIOTP), str(HERE / "inproc/triotp_tasks.py"), str(n)]
