"""How long the quick answers take, beside what a user is promised; ``make bench-answers``.

Seconds of the processor, the best of three, after the imports; ``--help`` is timed from outside, with them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bitstreams.boards import board_by_name
from hw.graph import load
from hw.systolic.build import generate
from hw.systolic.compiler import compile_network
from hw.systolic.search import choose_config
from planner.network_check import check_network
from planner.plan import plan
from report.facts import collect
from report.page import render


def processor(action: Callable[[], object]) -> float:
    """Return the processor's seconds of an action, the least of three."""
    found = []
    for _ in range(3):
        begin = time.process_time()
        action()
        found.append(time.process_time() - begin)
    return min(found)


def cold_help() -> float:
    """Return the seconds of ``shiftforge --help`` in a new process, the least of three."""
    found = []
    for _ in range(3):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-m", "cli.main", "--help"], check=True, stdout=subprocess.DEVNULL)
        found.append(time.perf_counter() - begin)
    return min(found)


def main() -> None:
    """Print the table."""
    network = load("examples/resnet8.s3net")
    small, large = board_by_name("icebreaker"), board_by_name("ulx3s_85f")
    config = choose_config([network], small.device)
    with tempfile.TemporaryDirectory() as folder:
        build = generate(network, large.name, large.device, Path(folder))
        rows = [
            ("compile ResNet-8", processor(lambda: compile_network(network, config)), None),
            ("check ResNet-8", processor(lambda: check_network(network, small)), 2.0),
            ("plan ResNet-8, all shapes of the ECP5-85", processor(lambda: plan([network], large)), 20.0),
            ("report on ResNet-8", processor(lambda: render(collect(build, large))), 10.0),
            ("shiftforge --help, cold", cold_help(), 0.7),
        ]
    table = Table("answer", "seconds", "at most")
    for what, seconds, most in rows:
        table.add_row(what, f"{seconds:.2f}", "" if most is None else f"{most:g}")
    Console().print(table)


if __name__ == "__main__":
    main()
