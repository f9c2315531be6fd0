#!/usr/bin/env python3
"""Writes seeds for the fuzz targets: make_corpus.py TESTS/VECTORS OUT makes OUT/framer, OUT/packet, OUT/tlv and
OUT/msg_codec from the captured sessions and the vectors of packets and messages."""
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


main()
