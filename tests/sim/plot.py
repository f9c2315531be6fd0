#!/usr/bin/env python3
"""Draws what `sim --json` reported, one run or a sweep by file, as one SVG.

    tests/sim/plot.py RUNS.json... > docs/scaling.svg

Four panels over the number of nodes, one line for each topology (and event): how long broken pairs
needed, control traffic when idle, resident memory by node, real time of the run. Both axes are
logarithmic. Runs that did not end are left out. Standard library only."""
import json
import math
import sys

COLOURS = ["#1b6ca8", "#c8553d", "#2a7f4f", "#7b4fa3", "#8a6d1d", "#444444"]
WIDTH, HEIGHT = 420, 260
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 34, 40
PANELS = [
    ("Worst exchange after an event, s", lambda r: r["after_event"]["worst_s"], True),
    ("Control when idle, bytes/s by node", lambda r: r["control_idle_bytes_per_node_s"], False),
    ("Resident memory, KiB by node", lambda r: r["rss_kib_per_node"], False),
    ("Real time of the run, s", lambda r: r["wall_s"], True),
]


def load(paths):
    runs = []
    for path in paths:
        with open(path, encoding="utf-8") as f:
            found = json.load(f)
        runs += found if isinstance(found, list) else [found]
    return [r for r in runs if r["end"] == "complete"]


def lines(runs, value, by_event):
    """name -> [(nodes, value)]; without the event, the mean of its runs."""
    found = {}
    for r in runs:
        name = r["topology"] + (", " + r["event"] if by_event else "")
        found.setdefault(name, {}).setdefault(r["nodes"], []).append(value(r))
    result = {}
    for name, points in sorted(found.items()):
        points = sorted((n, sum(v) / len(v)) for n, v in points.items() if sum(v) > 0)
        if points:
            result[name] = points
    return result


def decades(low, high):
    first = math.floor(math.log10(low))
    last = max(math.ceil(math.log10(high)), first + 1)
    return first, last


def label(exponent):
    return f"{10 ** exponent:,}" if exponent >= 0 else f"{10.0 ** exponent:g}"


def panel(title, found, x0, y0):
    out = [f'<g transform="translate({x0},{y0})">',
           f'<text x="{LEFT}" y="18" font-weight="bold">{title}</text>']
    points = [p for line in found.values() for p in line]
    if not points:
        return out + ["</g>"]
    x_first, x_last = decades(min(p[0] for p in points), max(p[0] for p in points))
    y_first, y_last = decades(min(p[1] for p in points), max(p[1] for p in points))

    def x_of(n):
        return LEFT + (math.log10(n) - x_first) / (x_last - x_first) * (WIDTH - LEFT - RIGHT)

    def y_of(v):
        return HEIGHT - BOTTOM - (math.log10(v) - y_first) / (y_last - y_first) * (HEIGHT - TOP - BOTTOM)

    for e in range(x_first, x_last + 1):
        x = x_of(10.0 ** e)
        out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#ddd"/>')
        out.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{label(e)}</text>')
    for e in range(y_first, y_last + 1):
        y = y_of(10.0 ** e)
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label(e)}</text>')
    for i, (name, line) in enumerate(found.items()):
        colour = COLOURS[i % len(COLOURS)]
        path = " ".join(f"{x_of(n):.1f},{y_of(v):.1f}" for n, v in line)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>')
        out += [f'<circle cx="{x_of(n):.1f}" cy="{y_of(v):.1f}" r="3" fill="{colour}"/>' for n, v in line]
        out.append(f'<text x="{LEFT + 8}" y="{TOP + 14 + 14 * i}" fill="{colour}">{name}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">nodes</text>')
    return out + ["</g>"]


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    runs = load(sys.argv[1:])
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * WIDTH}" height="{2 * HEIGHT}" '
           'font-family="sans-serif" font-size="11">',
           '<rect width="100%" height="100%" fill="white"/>']
    for i, (title, value, by_event) in enumerate(PANELS):
        out += panel(title, lines(runs, value, by_event), i % 2 * WIDTH, i // 2 * HEIGHT)
    print("\n".join(out + ["</svg>"]))


if __name__ == "__main__":
    main()
