"""The page: facts in, one HTML file out that needs nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from hw.whole_file import write_whole
from report import pictures


def render(facts: dict[str, Any]) -> str:
    """Return the page of what :func:`report.facts.collect` has collected."""
    environment = Environment(
        loader=PackageLoader("report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    speed, size = facts["speed"], facts["size"][0]
    used = size["placed"] if size["placed"] is not None else size["predicted"]
    headline = [
        (f"{speed['images_per_s']:,.0f}", "images/s"),
        (f"{speed['cycles']:,}", "clocks an image"),
        (f"{speed['busy']:.0%}", "busy"),
        (f"{speed['mhz']:g}", "MHz"),
        (f"{used:,}", f"of {size['available']:,} {size['what']}"),
    ]
    return environment.get_template("page.html.j2").render(f=facts, headline=headline, pictures=pictures)


def write_report(facts: dict[str, Any], folder: Path) -> Path:
    """Write ``report.html`` and ``report.json`` into a folder; return the page's path."""
    page = folder / "report.html"
    write_whole(folder / "report.json", json.dumps(facts, indent=2) + "\n")
    write_whole(page, render(facts))
    return page
