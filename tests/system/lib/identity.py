"""Fixed test identities, from tests/vectors/keys.json: used nowhere but in tests."""
import dataclasses
import functools
import ipaddress
import json

from .binary import VECTORS


@dataclasses.dataclass(frozen=True)
class Identity:
    name: str
    private_key: bytes
    public_key: bytes
    address: bytes  # 16 bytes

    @property
    def ip(self):
        return str(ipaddress.IPv6Address(self.address))

    @property
    def subnet(self):
        return str(ipaddress.ip_network((int.from_bytes(self.address, "big") >> 64 << 64, 64)))

    @property
    def router_id(self):
        return self.public_key + bytes(8)


@functools.lru_cache(maxsize=None)
def identities():
    """All of them by name: `k05` to `k24` are ordinary node keys, the others corner cases."""
    doc = json.loads((VECTORS / "keys.json").read_text())
    return {k["name"]: Identity(k["name"], bytes.fromhex(k["private_key"]),
                                bytes.fromhex(k["public_key"]), bytes.fromhex(k["address_bytes"]))
            for k in doc["keys"]}


@functools.lru_cache(maxsize=None)
def by_subnet():
    """First half of the address -> identity, of those that the tests hand out."""
    return {i.address[:8]: i for name, i in identities().items() if name >= "k05"}
