"""Fills the tables of the results page from ``bench/results`` while the site is built."""

import json
from pathlib import Path

RESULTS = Path(__file__).parent.parent / "bench" / "results"


def on_page_markdown(markdown, page, config, files):
    """Replace every ``{{ name }}`` of the results page by its table."""
    if page.file.src_path == "results.md":
        for make in (systolic, boards, prediction, training):
            rows = json.loads((RESULTS / f"{make.__name__}.json").read_text())
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
    return "not placed" if fmax is None else f"{fmax['min']:.1f} / {fmax['median']:.1f} / {fmax['max']:.1f}"


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
