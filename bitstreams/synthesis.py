"""Synthesis for each device."""

from __future__ import annotations

import json
from pathlib import Path

from bitstreams import output_registers
from bitstreams.equal_modules import share_equal_modules
from bitstreams.toolchain import Toolchain
from hw.devices import Device, Family

LEAST_SET = {Family.ICE40: 8, Family.ECP5: 16}
"""Least flip-flops that share a clock enable or a reset. A logic tile of an iCE40 holds eight, of one set; on an ECP5
it is the placer that needs minutes and hours for hundreds of small sets."""


_FLIP_FLOPS = {
    # What synth_ice40 does in its step map_ffs, with the least sizes.
    Family.ICE40: (
        "dfflegalize -cell $_DFF_?_ 0 -cell $_DFFE_?P_ 0 -cell $_DFF_?P?_ 0 -cell $_DFFE_?P?P_ 0 -cell $_SDFF_?P?_ 0 "
        "-cell $_SDFFCE_?P?P_ 0 -cell $_DLATCH_?_ x"
    ),
    # The cells of synth_ecp5's own dfflegalize, which follows in its step map_ffs.
    Family.ECP5: (
        "dfflegalize -cell $_DFF_?_ 01 -cell $_DFF_?P?_ r -cell $_SDFF_?P?_ r -cell $_DFFE_??_ 01 "
        "-cell $_DFFE_?P??_ r -cell $_SDFFE_?P??_ r -cell $_DLATCH_?_ x"
    ),
}
"""Which flip-flops a family has."""

CELL_PAIRS = "*.cells_*"
"""The modules of :class:`~hw.systolic.processing_element.CellPair` in a tile, which lie between flip-flops; all that
one of them enables are enabled by its column's signal, so the least size of a set is not theirs to keep."""


EQUAL = r"\.cells_\d+_\d+$"
"""Names of the same modules, as :func:`~bitstreams.equal_modules.share_equal_modules` takes them."""


def synthesis_script(device: Device, *, dsp: bool = False) -> str:
    """Return a Yosys script that reads ``top.il`` and writes ``top.json``, ``operators.json`` and ``cells.json``.

    Operators are counted before anything is mapped. The engine never reads a memory's word in the clock in which it is
    written, so the logic that would make up for the block RAM's undefined answer is left out. Small sets of clock
    enables and resets become logic again: a tile of a set of one flip-flop would stay empty otherwise, while the table
    before the flip-flop mostly costs nothing.

    ``dsp`` lets a rival's multiplications have the chip's multipliers; without it they become tables.
    """
    before = (
        "read_rtlil top.il; hierarchy -top top; proc; opt_clean; tee -q -o operators.json stat -json; "
        "setparam -set COLLISION_X_MASK 1'1 t:$memrd_v2; "
    )
    after = "tee -q -o cells.json stat -json; write_json top.json"
    # Tables for one pair of cells at a time: among all of them at once some are made in a costlier way than others.
    keep = f"setattr -mod -set keep_hierarchy 1 {CELL_PAIRS}; "
    flat = "setattr -mod -unset keep_hierarchy *; flatten; opt_clean; "
    ice = device.family is Family.ICE40
    synth = (
        f"synth_ice40 -device {'u' if device.sprams else 'hx'} {'-dsp ' if dsp else ''}-top top"
        if ice
        else f"synth_ecp5 {'' if dsp else '-nodsp '}-top top"
    )
    legalize, least = _FLIP_FLOPS[device.family], LEAST_SET[device.family]
    flip_flops = (
        f"select -module top; {legalize} -mince {least} -minsrst {least}; select -clear; "
        f"{legalize} -mince 1 -minsrst 99 {CELL_PAIRS}; "
    )
    begin = f"{before}{keep}{synth} -run begin:map_ffs; {flip_flops}"
    if ice:
        # The rest of synth_ice40's step map_ffs.
        rest = "techmap -map +/ice40/ff_map.v; opt_expr -mux_undef; simplemap; ice40_opt -full; "
        return f"{begin}{rest}{synth} -run map_luts:; {flat}{after}"
    # Tables that the chip's multiplexers join are faster, but more; a pair of cells, between flip-flops, has time.
    pairs = f"abc -lut 4 {CELL_PAIRS}; techmap -map +/lattice/cells_map_trellis.v {CELL_PAIRS}; "
    return f"{begin}{synth} -run map_ffs:map_luts; {pairs}{synth} -run map_luts:; {flat}{after}"


def synthesis_key(device: Device, *, dsp: bool = False) -> str:
    """Return a text that changes when :func:`synthesise` makes something else."""
    script = f"equal {EQUAL}; {synthesis_script(device, dsp=dsp)}"
    return script if device.family is Family.ICE40 else f"{script}; output registers {output_registers.VERSION}"


def synthesise(tools: Toolchain, device: Device, work: Path, *, dsp: bool = False) -> None:
    """Make ``top.json`` of ``top.il`` in the folder ``work``, see :func:`synthesis_script`.

    Pairs of cells are the same module then, so that one is mapped for all.

    On an ECP5 flip-flops behind block RAMs become the block RAMs' output registers.

    Raises
    ------
    ToolError
        If Yosys fails.
    """
    design = work / "top.il"
    design.write_text(share_equal_modules(design.read_text(), EQUAL))
    tools.run("yosys", ["-q", "-p", synthesis_script(device, dsp=dsp)], work, "yosys.log")
    if device.family is Family.ICE40:
        return
    netlist = json.loads((work / "top.json").read_text())
    output_registers.use_output_registers(netlist["modules"]["top"])
    (work / "top.json").write_text(json.dumps(netlist))
