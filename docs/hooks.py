"""Fills the tables of pages with results from ``bench/results`` while the site is built."""

import json
from pathlib import Path

from bench.seeds import HEAD, over_seeds

RESULTS = Path(__file__).parent.parent / "bench" / "results"


def on_page_markdown(markdown, page, config, files):
    """Replace every ``{{ name }}`` of a page by its table."""
    for make, file in PAGES.get(page.file.src_path, {}).items():
        rows = json.loads((RESULTS / f"{file}.json").read_text())
        markdown = markdown.replace("{{ " + make.__name__ + " }}", make(rows))
    return markdown


def table(head, rows):
    """Return a Markdown table; numbers to the right."""
    lines = [
        "| " + " | ".join(head) + " |",
        "| " + " | ".join("---" if i < 3 else "---:" for i in range(len(head))) + " |",
    ]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows)])


def speed(fmax):
    """Return min / median / max."""
    if fmax is None:
        return "not placed"
    few = len(fmax["seeds"]) if "seeds" in fmax else 3
    return f"{fmax['min']:.1f} / {fmax['median']:.1f} / {fmax['max']:.1f}" + (f" ({few} of 3 seeds)" if few < 3 else "")


def systolic(rows):
    """Return the engines' table."""
    head = ["board", "network", "cell", "array", "accuracy", "clocks", "busy", "cells", "MHz min / median / max",
            "images/s", "equal"]  # fmt: skip
    lines = []
    for r in rows:
        array = f"{r['rows']}x{r['cols']}" + (f" x {r['clusters']}" if r["clusters"] > 1 else "")
        accuracy = "random weights" if r["accuracy"] is None else f"{r['accuracy']:.2%}"
        clocks, busy = (f"{r['cycles']:,}", f"{r['busy']:.1%}") if r["cycles"] else ("does not fit", "")
        lines.append([r["board"], r["network"], r["cell"], array, accuracy, clocks, busy, f"{r['luts']:,}",
                      speed(r["fmax_mhz"]), f"{r['images_per_s']:,}" if r["images_per_s"] else "",
                      f"{r['images_equal']} of {r['images_checked']}"])  # fmt: skip
    return table(head, lines) + "\n\n" + shares(rows)


def shares(rows):
    """Return the shift-add engines' cells as shares of their rivals', as a table."""
    lines = []
    counted = [r for r in rows if "engine_luts" in r]
    for rival in counted:
        for r in counted:
            alike = all(r[key] == rival[key] for key in ("board", "network", "rows", "cols", "clusters"))
            if r["cell"] == "s3_3" != rival["cell"] and alike:
                both = [f"{r[key] / rival[key]:.3f}" for key in ("luts", "engine_luts")]
                lines.append([r["board"], r["network"], rival["cell"], *both])
    return table(["board", "network", "rival", "share of the board's cells", "without link and boot"], lines)


def boards(rows):
    """Return the boards' table."""
    return table(
        ["board", "network", "device", "cells", "MHz min / median / max"],
        [
            [r["board"], r.get("network", "digits"), r.get("device", ""), f"{r['luts']:,}", speed(r["fmax_mhz"])]
            for r in rows
        ],
    )


def prediction(rows):
    """Return the predictions' table."""
    lines = []
    for r in rows:
        error = r["luts_predicted"] / r["luts_placed"] - 1
        pairs = [f"{r[f'{what}_predicted']:,} / {r[f'{what}_{found}']:,}"
                 for what, found in (("luts", "placed"), ("brams", "placed"), ("cycles", "simulated"))]  # fmt: skip
        lines.append([r["family"], r["design"], f"{error:+.1%}", *pairs])
    return table(["family", "design", "error", "tables", "block RAMs", "clocks"], lines)


NEIGHBOURS = ("resnet8", "resnet8_strided", "resnet8_aps", "resnet8_sb", "addressnet_small", "invariant_addressnet")


def neighbours(rows):
    """Return the networks beside ResNet-8, with clocks and images/s over those of ResNet-8 on the same board."""
    lines = []
    for r in rows:
        plain = next(p for p in rows if (p["network"], p["board"]) == ("resnet8", r["board"]))
        lines.append([
            r["board"], r["network"], f"{r['rows']}x{r['cols']}, {r['requantizers']} req.", f"{r['accuracy']:.2%}",
            f"{r['cycles']:,}", f"{r['cycles'] / plain['cycles']:.2f}", f"{r['busy']:.1%}", f"{r['luts']:,}",
            r["brams"], speed(r["fmax_mhz"]), f"{r['images_per_s']:,}",
            f"{r['images_per_s'] / plain['images_per_s']:.2f}", f"{r['images_equal']} of {r['images_checked']}",
        ])  # fmt: skip
    head = ["board", "network", "array", "accuracy", "clocks", "over ResNet-8's", "busy", "cells", "RAMs",
            "MHz min / median / max", "images/s", "over ResNet-8's", "equal"]  # fmt: skip
    measured = {(r["board"], r["network"]) for r in rows}
    wanted = [(board, name) for board in ("icebreaker", "ulx3s_85f") for name in NEIGHBOURS]
    missing = ", ".join(f"`{name}` on {board}" for board, name in wanted if (board, name) not in measured)
    return table(head, lines) + (f"\n\nNot measured yet: {missing}." if missing else "")


def consistency(rows):
    """Return how many logits, and classes, shifts leave as they are."""
    head = [
        "network",
        "board",
        "ties",
        "logits kept",
        "classes kept",
        "logits kept, untrained",
        "simulated shifts equal",
    ]
    lines = [
        [r["network"], r["board"], f"{r['tied']} of {r['shifted_images']}", f"{r['consistency']:.2%}",
         f"{r['class_consistency']:.2%}", f"{r['untrained_consistency']:.2%}",
         f"{r['simulated_shifts_equal']} of {r['simulated_shifts']}"]
        for r in rows if r["consistency"] is not None
    ]  # fmt: skip
    return table(head, lines)


def seeds(rows):
    """Return mean and spread of the short runs: attention beside none, polyphase sampling beside strides."""
    return table(HEAD, list(over_seeds(rows)))


def training(rows):
    """Return the trainings' table."""
    return table(
        ["model", "data", "method", "bits", "activations", "epochs", "seed", "recipe", "accuracy"],
        [
            [
                r["model"],
                r["data"],
                r["method"],
                r["bits"],
                r["activation_bits"],
                r["epochs"],
                r["seed"],
                r.get("recipe", "default"),
                f"{r['accuracy']:.2%}",
            ]
            for r in rows
        ],
    )


PAGES = {
    "results.md": {make: make.__name__ for make in (systolic, boards, prediction, training)},
    "neighbours.md": {neighbours: "neighbours", consistency: "neighbours", seeds: "training"},
}
"""Tables of a page, and the file that each is made of."""
