"""The node protocol as bytes: packets, control TLVs, sealing, message packets.

Layouts: docs/protocol/packets.md and docs/protocol/messages.md. Needs python3-cryptography."""
import os
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .blake3 import blake3
from .relay import packet_size

HELLO, IHU, UPDATE, ROUTE_REQUEST, SEQNO_REQUEST = 4, 5, 8, 9, 10
INIT, DONE, ABORT, CHUNK, READ, REPLY, ACK = 0x8000, 0x4000, 0x2000, 0x1000, 0x0800, 0x0400, 0x0100
DATA_HEADER_MESSAGE = bytes((1, 1, 0, 0))
CHUNK_MAX = 1300


def split_packets(pending):
    """Whole packets at the start of the bytes, and what is left."""
    packets = []
    size = packet_size(pending)
    while size and len(pending) >= size:
        packets.append(pending[:size])
        pending = pending[size:]
        size = packet_size(pending)
    return packets, pending


# ---- control

def control(body):
    return bytes((1, 1, 0, 0, 42, 3)) + struct.pack(">H", len(body)) + body


def tlv(kind, body):
    return control(bytes((kind, len(body))) + body)


def hello(seqno=0):
    return tlv(HELLO, struct.pack(">HHH", 0x8000, seqno, 2000))


def ihu(cost=10):
    return tlv(IHU, struct.pack(">BBHH", 0, 0, cost, 6000))


def update(identity, seqno=0, metric=0, prefix=None):
    return tlv(UPDATE, struct.pack(">BBBBHHH", 2, 0, 64, 0, 30000, seqno, metric)
               + (prefix or identity.address[:8]) + identity.router_id)


def route_request(prefix, generation=0):
    return tlv(ROUTE_REQUEST, struct.pack(">BBB", generation, 2, 64) + prefix)


# ---- data

class Sealer:
    """Seals and opens the packets between one key and all others."""

    def __init__(self, identity):
        self.identity = identity
        self._key = X25519PrivateKey.from_private_bytes(identity.private_key)
        self._aead = {}

    def _with(self, public_key):
        if public_key not in self._aead:
            secret = self._key.exchange(X25519PublicKey.from_public_bytes(public_key))
            self._aead[public_key] = AESGCM(secret)
        return self._aead[public_key]

    def seal(self, to, plain, hop_limit=64):
        """plain: the 4 bytes of the data header and what follows."""
        nonce = os.urandom(12)
        body = self._with(to.public_key).encrypt(nonce, plain, None) + nonce
        return data(self.identity.address, to.address, body, hop_limit)

    def open(self, packet, public_key):
        """The plaintext of a data packet, None if the tag is wrong."""
        body = packet[40:]
        if len(body) < 28:
            return None
        try:
            return self._with(public_key).decrypt(body[-12:], body[:-12], None)
        except InvalidTag:
            return None


def data(source, destination, body, hop_limit=64):
    return bytes((1, 0, 0, 0, 0)) + struct.pack(">HB", len(body), hop_limit) + source + destination + body


# ---- messages

def message_packet(identifier, flags, body=b""):
    return DATA_HEADER_MESSAGE + identifier + struct.pack(">HH", flags, 0) + body


def flags_of(plain):
    """Flags of a message plaintext, 0 for anything else."""
    if plain is None or len(plain) < 16 or plain[:2] != DATA_HEADER_MESSAGE[:2]:
        return 0
    return struct.unpack(">H", plain[12:14])[0]


def identifier_of(plain):
    return plain[4:12]


def body_of(plain):
    return plain[16:]


def init_packet(identifier, length, topic=b"", flags=INIT):
    return message_packet(identifier, flags, struct.pack(">QB", length, len(topic)) + topic)


def chunk_packet(identifier, index, offset, part):
    return message_packet(identifier, CHUNK, struct.pack(">QQQ", index, offset, len(part)) + part)


def done_packet(identifier, count, payload):
    return message_packet(identifier, DONE, struct.pack(">Q", count) + blake3(payload))


def even_split(length):
    """(offset, size) of each chunk: ceil(length / 1300) chunks that differ by one byte at most."""
    count = -(-length // CHUNK_MAX)
    out, offset = [], 0
    for i in range(count):
        size = length // count + (1 if i < length % count else 0)
        out.append((offset, size))
        offset += size
    return out


def plain_split(length):
    """As nodes of the other implementation cut: 1300 bytes each and the rest."""
    return [(o, min(CHUNK_MAX, length - o)) for o in range(0, length, CHUNK_MAX)]


def message_packets(identifier, payload, topic=b"", flags=INIT, split=even_split):
    """All packets of one message, in order."""
    parts = split(len(payload))
    return [init_packet(identifier, len(payload), topic, flags),
            *(chunk_packet(identifier, i, o, payload[o:o + n]) for i, (o, n) in enumerate(parts)),
            done_packet(identifier, len(parts), payload)]
