"""Nodes in network namespaces of their own, with links that are real interfaces: a silent cut takes the
cable out in the middle, so that not even acknowledgements of TCP come back.

Needs root, iproute2, and a kernel with veth and bridge; `why_not()` says what is missing. Nothing is
named in the system: the namespaces go with the processes that hold them."""
import ctypes
import functools
import os
import shutil
import subprocess

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _enter(fd):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _ip(lines):
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines).encode(), check=True, capture_output=True,
                   timeout=30)


class Space:
    """`with space:` runs the thread, and the processes that it starts meanwhile, inside."""

    def __init__(self):
        self._outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        if _libc.unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        try:
            self._inside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
            self.path = f"/proc/{os.getpid()}/fd/{self._inside}"
            _ip(["link set lo up"])
        finally:
            _enter(self._outside)

    def __enter__(self):
        _enter(self._inside)

    def __exit__(self, *_):
        _enter(self._outside)

    def ip(self, *lines):
        with self:
            _ip(lines)

    def close(self):
        """What runs inside keeps the namespace; without a process it is gone."""
        os.close(self._inside)
        os.close(self._outside)


class Cables:
    """The space in the middle, where a bridge joins the two halves of each link."""

    def __init__(self):
        self.hub, self._count = Space(), 0

    def link(self, dialler, listener):
        """Between the spaces of two nodes."""
        self._count += 1
        return Cable(self.hub, self._count, dialler, listener)


class Cable:
    """Its addresses: 10.77.NUMBER.1 at the dialling side, .2 at the other."""

    def __init__(self, hub, number, dialler, listener):
        self._hub, self._number = hub, number
        self.listener_address = f"10.77.{number}.2"
        ends = ((1, dialler), (2, listener))
        hub.ip(f"link add br{number} type bridge", f"link set br{number} up",
               *(f"link add h{number}x{side} type veth peer name link{number} address {_mac(number, side)} "
                 f"netns {space.path}" for side, space in ends),
               *(f"link set h{number}x{side} master br{number} up" for side, _ in ends))
        for side, space in ends:
            # The neighbour is written down: a lost link then shows by nothing but silence.
            space.ip(f"addr add 10.77.{number}.{side}/24 dev link{number}", f"link set link{number} up",
                     f"neigh replace 10.77.{number}.{3 - side} lladdr {_mac(number, 3 - side)} "
                     f"dev link{number} nud permanent")

    def owns(self, endpoint):
        return f"10.77.{self._number}." in endpoint

    def silence(self):
        self._hub.ip(f"link set h{self._number}x1 nomaster")

    def mend(self):
        self._hub.ip(f"link set h{self._number}x1 master br{self._number}")


def _mac(number, side):
    return f"02:00:00:77:{number:02x}:{side:02x}"


@functools.lru_cache(maxsize=None)
def why_not():
    """None if namespaces with cables can be made here, else the reason."""
    if os.geteuid() != 0:
        return "namespaces need root"
    if shutil.which("ip") is None:
        return "iproute2 is not installed"
    spaces = []
    try:
        cables = Cables()
        spaces += [cables.hub, Space(), Space()]
        cables.link(*spaces[1:]).silence()
        return None
    except (OSError, subprocess.SubprocessError) as e:
        return f"no namespaces with veth and bridge here ({e})"
    finally:
        for s in spaces:
            s.close()
