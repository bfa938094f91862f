"""All probes, each in a file of its own. A new one takes its file, its test and its line in PROBES."""

from __future__ import annotations

from soak_probes.probes.base import Probe
from soak_probes.probes.children import Children
from soak_probes.probes.cpu import Cpu
from soak_probes.probes.fd_kinds import FdKinds
from soak_probes.probes.fds import Fds
from soak_probes.probes.pss import Pss
from soak_probes.probes.rss import Rss
from soak_probes.probes.socket_states import SocketStates
from soak_probes.probes.sockets import Sockets
from soak_probes.probes.swap import Swap
from soak_probes.probes.threads import Threads
from soak_probes.probes.tmp_bytes import TmpBytes
from soak_probes.probes.tmp_files import TmpFiles
from soak_probes.probes.uss import Uss

PROBES: tuple[type[Probe], ...] = (
    Rss,
    Uss,
    Pss,
    Swap,
    Cpu,
    Fds,
    FdKinds,
    Sockets,
    SocketStates,
    Threads,
    Children,
    TmpFiles,
    TmpBytes,
)
