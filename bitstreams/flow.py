"""From an engine's configuration and a board to bitstreams."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bitstreams import floorplan
from bitstreams.board import Board
from bitstreams.design import board_design
from bitstreams.netlists import digest, link_or_copy, stored_netlist
from bitstreams.stored import StoredNetwork
from bitstreams.synthesis import synthesis_key
from bitstreams.toolchain import Toolchain, ToolError
from bitstreams.top import Transport
from hw.cores import cores
from hw.devices import Family
from hw.systolic.config import EngineConfig
from hw.whole_file import whole_file

Report = Callable[[str], None]

PLACER = "static"
"""The better of nextpnr's placers for designs that fill the device. On a UP5K with 98% of its cells in use, wires are a
quarter shorter than with ``heap``, and found in half the time."""

PLACEMENT_SECONDS = {Family.ICE40: 1800, Family.ECP5: 4 * 3600}
"""After which a placement is stopped. A full ECP5 takes half an hour on a core of its own, a full UP5K a minute and a
half; nextpnr now and then looks for ever for the last cells' places in a UP5K that is 97% full."""


@dataclass(frozen=True)
class BoardResult:
    """What an engine takes on a board.

    Attributes
    ----------
    luts, luts_available : int
        Logic cells (iCE40) or 4-input tables (ECP5) in use and there.
    brams, brams_available, sprams, dsps : int
        Block RAMs, UP5K single-port RAMs, multipliers (always 0).
    fmax_mhz : dict
        ``min``, ``median``, ``max`` over the seeds, and ``seeds``.
    clock_mhz : float
        Clock of the bitstream.
    bitstream : str
        File name of the bitstream, of the fastest seed.
    """

    board: str
    luts: int
    luts_available: int
    brams: int
    brams_available: int
    sprams: int
    dsps: int
    fmax_mhz: dict[str, Any]
    clock_mhz: float
    bitstream: str

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON types."""
        return asdict(self)


def build_board(
    board: Board,
    config: EngineConfig,
    out: Path,
    cache: Path,
    *,
    seeds: Sequence[int] = (1, 2, 3),
    dsp: bool = False,
    link: Transport = "uart",
    network: StoredNetwork | None = None,
    toolchain: Toolchain | None = None,
    report: Report = lambda message: None,
) -> BoardResult:
    """Synthesise, place and route, pack.

    Parameters
    ----------
    board : Board
        Where the engine goes.
    config : EngineConfig
        The engine.
    out : Path
        Folder for the bitstream, the tools' reports, ``floorplan.json`` of the bitstream and ``result.json``.
    cache : Path
        Netlists and results by digest of everything that goes in: design, options, tool versions.
    seeds : sequence of int
        Seeds of the placement, as many side by side as the process has cores.
    dsp : bool
        For a rival with multipliers: whether they are the chip's, or tables.
    link, network
        What carries the host's bytes, and the network that the bitstream brings; as of :class:`~bitstreams.top.Top`.
    toolchain : Toolchain or None
        The tools.
    report : callable
        Told what is being done.

    Raises
    ------
    ToolError
        If the engine does not fit the device, or a tool fails.
    """
    tools = toolchain or Toolchain()
    design = board_design(board, config, link=link, stored=network)
    nextpnr = f"nextpnr-{board.device.family.value}"
    pack = "icepack" if board.device.family is Family.ICE40 else "ecppack"
    key = digest(
        [
            design.rtlil,
            design.pins,
            str(board.nextpnr),
            PLACER,
            f"floorplan {floorplan.FORMAT}",
            synthesis_key(board.device, dsp=dsp),
            str(sorted(seeds)),
            *(tools.version(t) for t in ("yosys", nextpnr)),
        ]
    )
    stored = cache / f"{board.name}-{key}"
    if not (stored / "result.json").exists():
        cache.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{board.name}-", dir=cache))
        try:
            netlist = stored_netlist(
                tools, board, config, design, cache, dsp=dsp, begins=lambda: report(f"{board.title}: synthesis")
            )
            shutil.copytree(netlist, work, copy_function=link_or_copy, dirs_exist_ok=True)
            _check_fits(board, json.loads((work / "cells.json").read_text()))
            report(f"{board.title}: place and route, seeds {', '.join(map(str, seeds))}")
            reports = _place(tools, nextpnr, board, work, design.pins_name, seeds)
            best = max(reports, key=lambda seed: reports[seed]["fmax"])
            suffix = "bin" if pack == "icepack" else "bit"
            name = f"{board.name}.{suffix}"
            routed = f"seed{best}.{'asc' if pack == 'icepack' else 'config'}"
            tools.run(pack, [routed, name], work, f"{pack}.log")
            result = _result(board, reports, best, name)
            (work / "floorplan.json").write_text(json.dumps(floorplan.read_floorplan(work / _placed(best))) + "\n")
            for seed in seeds:
                (work / _placed(seed)).unlink()
            (work / "result.json").write_text(json.dumps(result.to_json(), indent=2) + "\n")
            with contextlib.suppress(OSError):
                os.rename(work, stored)
        finally:
            tools.stop()
            shutil.rmtree(work, ignore_errors=True)
    _publish(stored, out)
    return BoardResult(**json.loads((stored / "result.json").read_text()))


@dataclass(frozen=True)
class SynthesisResult:
    """Cells of an engine that need not fit: lookup tables (iCE40: logic cells), block RAMs, multipliers."""

    luts: int
    brams: int
    dsps: int
    parts: dict[str, int]
    """Tables of each of :data:`~bitstreams.floorplan.PARTS`."""


def synthesise_board(
    board: Board, config: EngineConfig, cache: Path, *, dsp: bool = False, toolchain: Toolchain | None = None
) -> SynthesisResult:
    """Synthesise and pack only: the cells that a placement would have, also of an engine that is too large for one."""
    tools = toolchain or Toolchain()
    cache.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{board.name}-", dir=cache))
    try:
        design = board_design(board, config)
        netlist = stored_netlist(tools, board, config, design, cache, dsp=dsp)
        shutil.copytree(netlist, work, copy_function=link_or_copy, dirs_exist_ok=True)
        pins = "--pcf" if board.device.family is Family.ICE40 else "--lpf"
        arguments = [
            *board.nextpnr, "--json", "top.json", pins, design.pins_name, "--pack-only", "--report", "report.json",
            "--write", "packed.json",
        ]  # fmt: skip
        tools.run(f"nextpnr-{board.device.family.value}", arguments, work, "pack.log")
        use = _utilisation(board, json.loads((work / "report.json").read_text()))
        parts = floorplan.count_parts(work / "packed.json")
    finally:
        tools.stop()
        shutil.rmtree(work, ignore_errors=True)
    return SynthesisResult(use["luts"], use["brams"], use["dsps"], parts)


def _utilisation(board: Board, report: dict[str, Any]) -> dict[str, int]:
    """Return what nextpnr's report says a design takes."""
    ice = board.device.family is Family.ICE40

    def used(name: str) -> int:
        return int(report["utilization"].get(name, {}).get("used", 0))

    return {
        "luts": used("ICESTORM_LC" if ice else "TRELLIS_COMB"),
        "brams": used("ICESTORM_RAM" if ice else "DP16KD"),
        "sprams": used("ICESTORM_SPRAM"),
        "dsps": used("ICESTORM_DSP" if ice else "MULT18X18D") + used("ALU54B"),
    }


def _check_fits(board: Board, cells: dict[str, Any]) -> None:
    """Raise before placement if a resource is clearly short; tables alone are a lower bound of logic cells."""
    count = cells["design"]["num_cells_by_type"]
    device = board.device
    ice = device.family is Family.ICE40
    needs = {
        "lookup tables": (count.get("SB_LUT4" if ice else "LUT4", 0), device.luts),
        "block RAMs": (count.get("SB_RAM40_4K" if ice else "DP16KD", 0), device.block_rams),
        "SPRAMs": (count.get("SB_SPRAM256KA", 0), device.sprams),
    }
    for what, (need, have) in needs.items():
        if need > have:
            raise ToolError(f"{board.title} has {have} {what}, the engine needs {need} ({need - have} too many)")


def _place(
    tools: Toolchain, nextpnr: str, board: Board, work: Path, pins: str, seeds: Sequence[int]
) -> dict[int, dict[str, Any]]:
    ice = board.device.family is Family.ICE40

    def one(seed: int) -> dict[str, Any]:
        routed = f"seed{seed}.{'asc' if ice else 'config'}"
        arguments = [
            *board.nextpnr,
            "--json", "top.json",
            *(("--pcf", pins, "--asc", routed) if ice else ("--lpf", pins, "--textcfg", routed)),
            "--placer", PLACER,
            "--seed", str(seed),
            "--freq", str(1.25 * board.clock_mhz),
            "--report", f"seed{seed}.json",
            "--write", _placed(seed),
            "--timing-allow-fail",
        ]  # fmt: skip
        tools.run(nextpnr, arguments, work, f"seed{seed}.log", limit=PLACEMENT_SECONDS[board.device.family])
        answer: dict[str, Any] = json.loads((work / f"seed{seed}.json").read_text())
        answer["fmax"] = _engine_clock(answer["fmax"])
        return answer

    with ThreadPoolExecutor(max_workers=cores()) as pool:
        futures = {seed: pool.submit(one, seed) for seed in seeds}
        try:
            return {seed: future.result() for seed, future in futures.items()}
        except BaseException:
            for future in futures.values():
                future.cancel()
            tools.stop()
            raise


def _placed(seed: int) -> str:
    """Return the name of the netlist with every cell's place: as large as ten bitstreams, so it is not kept."""
    return f"seed{seed}.placed.json"


def _engine_clock(clocks: dict[str, dict[str, float]]) -> float:
    """Return the fmax of the engine's clock: the slowest one, since nothing else does any work."""
    return min(clock["achieved"] for clock in clocks.values())


def _result(board: Board, reports: dict[int, dict[str, Any]], best: int, bitstream: str) -> BoardResult:
    return BoardResult(
        board=board.name,
        luts_available=board.device.luts,
        brams_available=board.device.block_rams,
        **_utilisation(board, reports[best]),
        fmax_mhz=spread({str(seed): round(report["fmax"], 2) for seed, report in reports.items()}),
        clock_mhz=board.clock_mhz,
        bitstream=bitstream,
    )


def spread(seeds: Mapping[str, float]) -> dict[str, Any]:
    """Return ``min``, ``median``, ``max`` over the seeds, and ``seeds`` in their order; MHz."""
    speeds = seeds.values()
    return {
        "min": min(speeds),
        "median": round(statistics.median(speeds), 2),
        "max": max(speeds),
        "seeds": {seed: seeds[seed] for seed in sorted(seeds, key=int)},
    }


def _publish(stored: Path, out: Path) -> None:
    """Copy the results a user wants; the netlist stays in the cache."""
    out.mkdir(parents=True, exist_ok=True)
    for file in stored.iterdir():
        if file.suffix in (".bin", ".bit", ".log") or (file.suffix == ".json" and file.name != "top.json"):
            with whole_file(out / file.name) as temporary:
                shutil.copy2(file, temporary)
