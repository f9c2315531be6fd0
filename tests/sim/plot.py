#!/usr/bin/env python3
"""Draws what `sim --json` reported, one run or a sweep by file, as one SVG, or prints it as tables.

    tests/sim/plot.py RUNS.json... > docs/scaling.svg
    tests/sim/plot.py --tables RUNS.json...

Four panels over the number of nodes, one line for each topology and series: how long broken pairs
needed, control traffic, resident memory by node, processor time of the run. Both axes are
logarithmic. Runs that did not end are left out. Standard library only."""
import json
import math
import sys

COLOURS = ["#1b6ca8", "#c8553d", "#2a7f4f", "#7b4fa3", "#8a6d1d", "#444444"]
WIDTH, HEIGHT = 420, 260
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 34, 40
# title, and by the name of each series its value in a run
PANELS = [
    ("Worst exchange after an event, s",
     {kind: lambda r, kind=kind: r["events"].get(kind, {}).get("broken", {}).get("worst_s", 0)
      for kind in ("link-cut", "silent-cut", "node-death")}),
    ("Control, bytes/s by node",
     {what: lambda r, what=what: r["control_bytes_per_node_s"][what] for what in ("quiet", "late")}),
    ("Resident memory, KiB by node",
     {what: lambda r, what=what: r["kib_per_node"][what] for what in ("quiet", "max")}),
    ("Processor time of the run, s", {"": lambda r: r["cpu_s"]}),
]


def load(paths):
    runs = []
    for path in paths:
        with open(path, encoding="utf-8") as f:
            found = json.load(f)
        runs += found if isinstance(found, list) else [found]
    return [r for r in runs if r["end"] == "complete"]


def lines(runs, series):
    """name -> [(nodes, value)]; the mean where there are several runs."""
    found = {}
    for r in runs:
        for what, value in series.items():
            name = r["topology"] + (", " + what if what else "")
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


def events(r, kind):
    e = r["events"].get(kind)
    if not e or e["broken"]["broken"] == 0:
        return "-"
    return f'{e["broken"]["median_s"]:.2f} / {e["broken"]["p99_s"]:.2f} / {e["broken"]["worst_s"]:.2f}'


def not_regained(r):
    return sum(e[side]["unregained"] for e in r["events"].values() for side in ("broken", "mended"))


def rejoined(r):
    return r["events"].get("node-death", {}).get("mended", {}).get("worst_s", 0)


COLUMNS = [
    [("Link cut s", lambda r: events(r, "link-cut")),
     ("Link silent s", lambda r: events(r, "silent-cut")),
     ("Node death s", lambda r: events(r, "node-death")),
     ("Back after its restart s", lambda r: f"{rejoined(r):.2f}"),
     ("Not regained", not_regained),
     ("Loops seen / lasting", lambda r: f'{r["loops_seen"]} / {r["loops_lasting"]}'),
     ("Stretch mean / p99 / worst",
      lambda r: f'{r["stretch_mean"]:.3f} / {r["stretch_p99"]:.2f} / {r["stretch_worst"]:.2f}'),
     ("Exchanges lost", lambda r: f'{r["asked"] - r["answered"]} of {r["asked"]:,}')],
    [("Control B/s quiet / steady / in events / late",
      lambda r: " / ".join(f'{r["control_bytes_per_node_s"][k]:.0f}'
                           for k in ("quiet", "steady", "event", "late"))),
     ("KiB by node: idle / quiet / most",
      lambda r: " / ".join(f'{r["kib_per_node"][k]:.0f}' for k in ("idle", "quiet", "max"))),
     ("Routes: mean / of one node", lambda r: f'{r["routes_per_node"]:.0f} / {r["routes_of_one"]:,}'),
     ("Refused by limits", lambda r: r["limit_refusals"] + r["searches_refused"]),
     ("MiB in all", lambda r: f'{r["rss_max_bytes"] / 2 ** 20:,.0f}'),
     ("Simulated events", lambda r: f'{r["sim_events"]:,}'),
     ("Processor s", lambda r: f'{r["cpu_s"]:.0f}'),
     ("Real s", lambda r: f'{r["wall_s"]:.0f}')],
    [("Hops mean / most", lambda r: f'{r["hops_mean"]:.1f} / {r["hops_max"]}'),
     ("Pairs beyond 16 hops", lambda r: f'{r["share_beyond_reach"] * 100:.1f} %'),
     ("Found", lambda r: f'{r["searches"]["found"]} of {r["searches"]["done"]}'),
     ("Mean / worst ms",
      lambda r: f'{r["searches"]["mean_s"] * 1000:.0f} / {r["searches"]["worst_s"] * 1000:.0f}'),
     ("Requests", lambda r: f'{r["searches"]["requests"]:,.0f}'),
     ("Updates", lambda r: f'{r["searches"]["updates"]:,.0f}'),
     ("KB", lambda r: f'{r["searches"]["bytes"] / 1000:,.0f}'),
     ("Bytes by link", lambda r: f'{r["searches"]["bytes"] / r["links"]:.0f}'),
     ("Nodes asked", lambda r: f'{r["searches"]["share_asked"] * 100:.1f} %'),
     ("Nodes with a route then", lambda r: f'{r["searches"]["share_holding"] * 100:.1f} %')],
]


def tables(runs):
    for columns in COLUMNS:
        columns = [("Topology", lambda r: r["topology"]), ("Nodes", lambda r: f'{r["nodes"]:,}'),
                   ("Links", lambda r: f'{r["links"]:,}')] + columns
        print("| " + " | ".join(name for name, _ in columns) + " |")
        print("|" + "---|" * len(columns))
        for r in runs:
            print("| " + " | ".join(str(value(r)) for _, value in columns) + " |")
        print()


def main():
    paths = [a for a in sys.argv[1:] if a != "--tables"]
    if not paths:
        sys.exit(__doc__)
    runs = sorted(load(paths), key=lambda r: (r["nodes"], r["topology"]))
    if "--tables" in sys.argv:
        tables(runs)
        return
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * WIDTH}" height="{2 * HEIGHT}" '
           'font-family="sans-serif" font-size="11">',
           '<rect width="100%" height="100%" fill="white"/>']
    for i, (title, series) in enumerate(PANELS):
        out += panel(title, lines(runs, series), i % 2 * WIDTH, i // 2 * HEIGHT)
    print("\n".join(out + ["</svg>"]))


if __name__ == "__main__":
    main()
