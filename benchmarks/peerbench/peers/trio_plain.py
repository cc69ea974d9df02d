import json, sys
from ..core import HERE, Peer, sh


class TrioPlain(Peer):
    """What Trio itself costs: a nursery, one task a service, open_process and wait in a loop; nothing else."""
    name = "trio-plain"
    min_backoff = "0"
    can = Peer.can | {"tasks"}
    why = "trio.lowlevel.open_process (subprocess.Popen: vfork, errno pipe) and pidfd wait; the floor for a supervisor written on Trio."

    def version(self):
        return sh(sys.executable, "-c", "import trio,sys;print('Trio',trio.__version__,'on Python',sys.version.split()[0])", d=HERE).stdout.strip()

    def write(self, d, svcs):
        (d / "p.json").write_text(json.dumps([[s.argv, s.restart, s.grace, s.log] for s in svcs]))

    def argv(self, d):
        return [sys.executable, str(HERE / "inproc/trio_plain.py"), str(d / "p.json")]

    def inproc(self, n):
        return [sys.executable, str(HERE / "inproc/trio_tasks.py"), str(n)]
