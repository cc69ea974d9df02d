"""Every contestant, by name.  To add one: write its module here and name its class below."""
from ..core import Peer
from .circus import Circus
from .erlang import Erlang, Triotp
from .floor import Floor
from .honcho import Honcho
from .pm2 import Pm2
from .process_compose import ProcessCompose
from .runit import Runit
from .s6 import S6
from .supervisord import Supervisord
from .trio_plain import TrioPlain
from .trio_supervisor import TrioSupervisor

PEERS: dict[str, Peer] = {c.name: c() for c in (TrioSupervisor, Floor, TrioPlain, Supervisord, Circus, Honcho, Pm2, Runit, S6, ProcessCompose, Erlang, Triotp)}
