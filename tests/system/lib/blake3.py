"""BLAKE3, unkeyed, 32 bytes: plain Python for the payloads of raw peers (a few KiB)."""
_IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
_PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
_MASK = 0xFFFFFFFF
_CHUNK_START, _CHUNK_END, _PARENT, _ROOT = 1, 2, 4, 8


def _mix(s, a, b, c, d, x, y):
    for r1, r2, m in ((16, 12, x), (8, 7, y)):
        s[a] = (s[a] + s[b] + m) & _MASK
        s[d] ^= s[a]
        s[d] = (s[d] >> r1 | s[d] << (32 - r1)) & _MASK
        s[c] = (s[c] + s[d]) & _MASK
        s[b] ^= s[c]
        s[b] = (s[b] >> r2 | s[b] << (32 - r2)) & _MASK


def _compress(value, block, counter, length, flags):
    m = [int.from_bytes(block[i:i + 4], "little") for i in range(0, 64, 4)]
    s = [*value, *_IV[:4], counter & _MASK, counter >> 32, length, flags]
    for r in range(7):
        for i in range(4):
            _mix(s, i, 4 + i, 8 + i, 12 + i, m[2 * i], m[2 * i + 1])
        for i in range(4):
            _mix(s, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4, m[8 + 2 * i], m[9 + 2 * i])
        if r < 6:
            m = [m[p] for p in _PERMUTATION]
    return [s[i] ^ s[i + 8] for i in range(8)]


def _chunk(data, counter, root):
    value, blocks = list(_IV), max(1, -(-len(data) // 64))
    for i in range(blocks):
        block = data[64 * i:64 * i + 64]
        flags = (_CHUNK_START if i == 0 else 0)
        if i == blocks - 1:
            flags |= _CHUNK_END | (_ROOT if root else 0)
        value = _compress(value, block.ljust(64, b"\0"), counter, len(block), flags)
    return value


def _subtree(data, counter, root):
    if len(data) <= 1024:
        return _chunk(data, counter, root)
    left = 1024
    while left * 2 < len(data):
        left *= 2
    words = _subtree(data[:left], counter, False) + _subtree(data[left:], counter + left // 1024, False)
    block = b"".join(w.to_bytes(4, "little") for w in words)
    return _compress(_IV, block, 0, 64, _PARENT | (_ROOT if root else 0))


def blake3(data):
    return b"".join(w.to_bytes(4, "little") for w in _subtree(bytes(data), 0, True))
