"""The page's pictures as SVG: no library, so that the page needs nothing from anywhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from markupsafe import Markup, escape

WIDTH = 900
"""Units from left to right of every picture."""

_COLOURS = ("#4477aa", "#66ccee", "#228833", "#ccbb44", "#ee6677", "#aa3377", "#bbbbbb")


def _svg(height: float, parts: Iterable[str], label: str) -> Markup:
    body = "".join(parts)
    return Markup(f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(label)}">{body}</svg>')


def _text(x: float, y: float, text: object, anchor: str = "start", size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{escape(text)}</text>'


def _box(x: float, y: float, width: float, height: float, colour: str, title: str = "") -> str:
    tip = f"<title>{escape(title)}</title>" if title else ""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" height="{height:.1f}" rx="2" '
        f'fill="{colour}">{tip}</rect>'
    )


def network(facts: dict[str, Any]) -> Markup:
    """Return the layers one below the other, and an arc for every tensor that passes some of them by."""
    layers = facts["layers"]
    step, left, width = 34, 120, 420
    parts = [_box(left, 4, width, 24, "#dddddd"), _text(left + 8, 20, "image")]
    for i, layer in enumerate(layers):
        y = 4 + (i + 1) * step
        shape = " x ".join(map(str, layer["output"])) if layer["output"] else "logits"
        colour = "#cfe3f5" if "weights" in layer else "#e6f0d8"
        parts += [_box(left, y, width, 24, colour, layer["name"]), _text(left + 8, y + 16, layer["name"])]
        parts.append(_text(left + width + 12, y + 16, f"{layer['operation']}, {shape}"))
    for begin, end in facts["edges"]:
        y0, y1 = 28 + (begin + 1) * step, 4 + (end + 1) * step
        if end == begin + 1:
            parts.append(f'<path d="M{left + 200} {y0} V{y1}" class="edge"/>')
        else:
            away = min(100, 20 + 12 * (end - begin))
            y0 -= 12
            y1 += 12
            parts.append(f'<path d="M{left} {y0} C{left - away} {y0} {left - away} {y1} {left} {y1}" class="edge"/>')
    return _svg(4 + (len(layers) + 1) * step, parts, "the network's layers")


def clocks(facts: dict[str, Any]) -> Markup:
    """Return a bar for every layer's clocks, and in it those in which every cell multiplies."""
    layers = facts["layers"]
    most = max(1, *(layer["clocks"] for layer in layers))
    parts = []
    for i, layer in enumerate(layers):
        y, full = 6 + i * 22, 560 * layer["clocks"] / most
        busy = layer["busy"] or 0
        parts += [_text(190, y + 12, layer["name"][:30], "end"), _box(200, y, full, 15, "#bbccdd")]
        parts += [_box(200, y, full * busy, 15, _COLOURS[0], f"busy {busy:.0%}")]
        parts.append(_text(206 + full, y + 12, f"{layer['clocks']:,}" + (f" ({busy:.0%})" if busy else "")))
    return _svg(6 + 22 * len(layers), parts, "clocks of every layer")


def memory(facts: dict[str, Any]) -> Markup:
    """Return every map as a box: from left to right the layers while it is kept, from top to bottom its words."""
    layout, count = facts["memory"], len(facts["layers"])
    top = max(1, layout["used"])
    left, width, height = 70, WIDTH - 90, 300

    def y(address: int) -> float:
        return 10 + height * float(address / top)

    parts = [_text(left - 6, y(0) + 10, "0", "end"), _text(left - 6, y(top), f"{top:,}", "end")]
    if layout["program"]:
        parts.append(_box(left, y(0), width, y(layout["program"]) - y(0), "#eeeeee", "program and weights"))
        parts.append(_text(left + 8, y(0) + 16, f"program and weights: {layout['program']:,} words"))
    column = width / (count + 1)
    for i, m in enumerate(layout["maps"]):
        x = left + column * (m["begin"] + 1)
        wide = column * (m["end"] - m["begin"] + 1) - 2
        tall = y(m["address"] + m["words"]) - y(m["address"])
        tip = f"{m['name']}: words {m['address']:,} to {m['address'] + m['words'] - 1:,}"
        parts.append(_box(x, y(m["address"]), wide, tall, _COLOURS[i % len(_COLOURS)], tip))
        if tall > 14:
            name = m["name"].removesuffix(".out")
            parts.append(_text(x + 4, y(m["address"]) + 12, name[: max(1, int(wide / 6.5))], size=11))
    return _svg(height + 20, parts, "the memory while the layers run")


def utilisation(facts: dict[str, Any]) -> Markup:
    """Return predicted and placed numbers as shares of the device."""
    parts: list[str] = []
    rows = [row for row in facts["size"] if row["available"]]
    for i, row in enumerate(rows):
        y = 8 + i * 48
        parts.append(_text(130, y + 22, row["what"], "end"))
        for j, (kind, colour) in enumerate((("predicted", "#bbccdd"), ("placed", _COLOURS[0]))):
            value = row[kind]
            if value is None:
                continue
            share = value / row["available"]
            parts += [_box(140, y + 19 * j, 500 * min(share, 1), 16, colour)]
            parts.append(_text(650, y + 19 * j + 13, f"{kind} {value:,} ({share:.0%})"))
        parts.append(f'<path d="M640 {y - 2} v42" class="edge"/>')
    return _svg(8 + 48 * len(rows), parts, "how much of the device is used")


def floorplan(facts: dict[str, Any]) -> Markup:
    """Return the chip: every tile that has lookup tables, in its part's colour, and the RAMs."""
    plan = facts["floorplan"]
    places = [(x, y) for x, y, *_ in plan["tiles"]] + [(x, y) for x, y in plan["memories"]]
    across, down = max(x for x, _ in places) + 1, max(y for _, y in places) + 1
    scale = min(560 / across, 420 / down)
    up = plan["y_up"]

    def square(x: int, y: int) -> str:
        return f"M{x} {down - 1 - y if up else y}h1v1h-1z"

    drawn = []
    for part, colour in zip(plan["parts"], _COLOURS, strict=False):
        path = "".join(square(x, y) for x, y, owner, _ in plan["tiles"] if owner == part)
        drawn.append(f'<path d="{path}" fill="{colour}"/>')
    path = "".join(square(x, y) for x, y in plan["memories"])
    drawn.append(f'<path d="{path}" fill="#222222"/>')
    frame = f'<rect x="0" y="0" width="{across}" height="{down}" fill="#f4f4f4"/>'
    parts = [f'<g transform="translate(10 10) scale({scale:.3f})">{frame}{"".join(drawn)}</g>']
    legend = [
        (f"{part}: {count:,}", colour) for (part, count), colour in zip(plan["parts"].items(), _COLOURS, strict=False)
    ]
    for i, (text, colour) in enumerate([*legend, (f"RAM: {len(plan['memories'])}", "#222222")]):
        y = 16 + 24 * i
        parts += [_box(across * scale + 30, y, 14, 14, colour), _text(across * scale + 52, y + 12, text)]
    return _svg(max(down * scale + 20, 24 * len(legend) + 40), parts, "where the parts lie on the chip")


def training(facts: dict[str, Any]) -> Markup:
    """Return loss and accuracy over the epochs, each with an axis of its own."""
    epochs = facts["training"]["epochs"]
    left, right, height = 60, WIDTH - 60, 200
    last = max(1, *(row["epoch"] for row in epochs))
    parts = [f'<path d="M{left} 10 V{height} H{right} V10" class="edge"/>']
    losses = [row["loss"] for row in epochs if "loss" in row]
    for name, colour, anchor, x, most in (
        ("loss", _COLOURS[4], "end", left - 6, max(losses, default=1) or 1),
        ("accuracy", _COLOURS[0], "start", right + 6, 1.0),
    ):
        points = [
            f"{left + (right - left) * row['epoch'] / last:.1f},{height - (height - 10) * row[name] / most:.1f}"
            for row in epochs
            if name in row
        ]
        parts.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [_text(x, 16, f"{most:.3g}", anchor), _text(x, height, "0", anchor)]
        parts.append(f'<text x="{x}" y="104" text-anchor="{anchor}" font-size="12" style="fill:{colour}">{name}</text>')
    parts += [_text(left, height + 16, "epoch 0"), _text(right, height + 16, f"epoch {last}", "end")]
    return _svg(height + 24, parts, "loss and accuracy over the epochs")


def speeds(facts: dict[str, Any]) -> Markup:
    """Return the seeds' frequencies on a line, and the PLL's."""
    found = facts["speed"]["fmax_mhz"]
    if not found:
        return Markup("")
    pll = facts["speed"]["pll_mhz"]
    low, high = min(pll, found["min"]) * 0.95, max(pll, found["max"]) * 1.03

    def x(mhz: float) -> float:
        return 60 + (WIDTH - 120) * float((mhz - low) / (high - low))

    parts = [f'<path d="M60 40 H{WIDTH - 60}" class="edge"/>']
    for seed, mhz in found["seeds"].items():
        parts.append(
            f'<circle cx="{x(mhz):.1f}" cy="40" r="6" fill="{_COLOURS[0]}"><title>seed {escape(seed)}</title></circle>'
        )
        parts.append(_text(x(mhz), 26 if int(seed) % 2 else 64, f"{mhz:g}", "middle"))
    parts += [f'<path d="M{x(pll):.1f} 24 v32" stroke="{_COLOURS[4]}" stroke-width="3"/>']
    parts.append(_text(x(pll), 80, f"PLL {pll:.4g} MHz", "middle"))
    return _svg(90, parts, "MHz of every placement seed")
