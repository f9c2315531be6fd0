#!/usr/bin/env python3
"""Writes seeds for the fuzz targets: make_corpus.py TESTS/VECTORS OUT makes OUT/framer, OUT/packet, OUT/tlv and
OUT/msg_codec from the captured sessions and the vectors of packets and messages, and OUT/rpc from the description
of the methods."""
import hashlib
import json
import pathlib
import sys


def put(folder, data):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


def packets(stream):
    while stream:
        size = 40 + int.from_bytes(stream[5:7], "big") if stream[1] == 0 else 8 + int.from_bytes(stream[6:8], "big")
        yield stream[:size]
        stream = stream[size:]


VALUES = {"string": "dGVzdA==", "integer": 1, "number": 1, "boolean": True, "array": [], "object": {"payload": "eA=="}}


def rpc_bodies(methods):
    """A call of each method with its parameters in order, by name and without them; then batches of them."""
    calls = []
    for n, m in enumerate(methods):
        named = {p["name"]: VALUES.get(p["schema"].get("type"), VALUES["string"]) for p in m["params"]}
        for params in (list(named.values()), named, None):
            call = {"jsonrpc": "2.0", "id": n, "method": m["name"], "params": params}
            calls.append({k: v for k, v in call.items() if v is not None})
    ids = ["text", None, -1, 1.5, 2**63, [], {}]
    calls += [{"jsonrpc": "2.0", "id": i, "method": "getInfo"} for i in ids] + [{"jsonrpc": "2.0", "method": "getInfo"}]
    return calls + [[], [1], calls[:5], calls[-8:], {"jsonrpc": "1.0", "id": 1, "method": "getInfo"}]


def main():
    vectors, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    for name in sorted(vectors.glob("captures/*.json")):
        streams = {}
        for piece in json.loads(name.read_text())["stream"]:
            key = piece["link"], piece["from"]
            streams[key] = streams.get(key, b"") + bytes.fromhex(piece["hex"])
        for stream in streams.values():
            put(out / "framer", bytes([0, 3, 11, 200]) + stream)
            for p in packets(stream):
                put(out / ("packet" if p[1] == 0 else "tlv"), p)
    for case in json.loads((vectors / "data-packets.json").read_text())["cases"]:
        if "wire" in case:
            put(out / "packet", bytes.fromhex(case["wire"]))
    messages = json.loads((vectors / "messages.json").read_text())
    for row in messages["extension_proposal_computed"]["rows"] + messages["bad_input"]["rows"]:
        put(out / "msg_codec", bytes.fromhex(row["plain"])[4:])
    described = json.loads((vectors.resolve().parents[1] / "docs" / "openrpc.json").read_text())
    for body in rpc_bodies(described["methods"]):
        put(out / "rpc", json.dumps(body, separators=(",", ":")).encode())


main()
