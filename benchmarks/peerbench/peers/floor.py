from ..core import BUILD, Peer


class Floor(Peer):
    """The physical limit: a C program that vforks, waits and copies."""
    name = "floor-c"
    min_backoff = "0"
    can = Peer.can | {"probing"}
    why = "C: vfork+exec, signalfd+epoll, restart at once, read/write into the log file."

    def version(self):
        return "C"

    def write(self, d, svcs):
        (d / "floor.conf").write_text("".join(f"{s.name} {int(s.restart)} {int(s.grace * 1000)} {s.log or '-'} {' '.join(s.argv)}\n" for s in svcs))

    def argv(self, d):
        return [str(BUILD / "floor"), str(d / "floor.conf")]
