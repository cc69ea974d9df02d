"""Every peer, by name.  To add one: write its module here and name its class below."""
from ..core import Peer
from .circus import Circus
from .daemontools import Daemontools
from .erlang import Erlang, Tractor, TractorPypi, Triotp
from .floor import Floor, FloorLazy, FloorSplice
from .honcho import Honcho
from .monit import Monit
from .mprocs import Mprocs
from .pm2 import Pm2
from .process_compose import ProcessCompose
from .runit import Runit
from .s6 import S6
from .supervisord import Supervisord
from .systemd import Systemd
from .trio_plain import TrioLoop, TrioPlain
from .trio_supervisor import TrioSupervisor

PEERS: dict[str, Peer] = {c.name: c() for c in (TrioSupervisor, Floor, FloorSplice, FloorLazy, TrioPlain, TrioLoop, Supervisord, Circus, Honcho, Pm2, Mprocs, ProcessCompose, Runit, S6, Daemontools, Monit, Systemd, Erlang, Triotp, Tractor, TractorPypi)}
FLOORS = {"floor-c", "floor-splice", "floor-lazy", "trio-plain", "trio-loop"}
