"""The synthesis script of each device."""

from __future__ import annotations

from hw.devices import Device, Family

LEAST_SET = 8
"""Least flip-flops that share a clock enable or a reset on an iCE40: its logic tiles hold eight, of one set."""


def synthesis_script(device: Device, *, dsp: bool = False) -> str:
    """Return a Yosys script that reads ``top.il`` and writes ``top.json``, ``operators.json`` and ``cells.json``.

    Operators are counted before anything is mapped. The engine never reads a memory's word in the clock in which it is
    written, so the logic that would make up for the block RAM's undefined answer is left out. On an iCE40 small sets of
    clock enables and resets become logic again: a tile of a set of one flip-flop would stay empty otherwise, while the
    table before the flip-flop costs nothing.

    ``dsp`` lets a rival's multiplications have the chip's multipliers; without it they become tables.
    """
    before = (
        "read_rtlil top.il; hierarchy -top top; proc; opt_clean; tee -q -o operators.json stat -json; "
        "setparam -set COLLISION_X_MASK 1'1 t:$memrd_v2; "
    )
    after = "tee -q -o cells.json stat -json; write_json top.json"
    if device.family is not Family.ICE40:
        return f"{before}synth_ecp5 {'' if dsp else '-nodsp '}-top top; {after}"
    synth = f"synth_ice40 -device {'u' if device.sprams else 'hx'} {'-dsp ' if dsp else ''}-top top"
    # What synth_ice40 does in its step map_ffs, with the least sizes.
    flip_flops = (
        "dfflegalize -cell $_DFF_?_ 0 -cell $_DFFE_?P_ 0 -cell $_DFF_?P?_ 0 -cell $_DFFE_?P?P_ 0 -cell $_SDFF_?P?_ 0 "
        f"-cell $_SDFFCE_?P?P_ 0 -cell $_DLATCH_?_ x -mince {LEAST_SET} -minsrst {LEAST_SET}; "
        "techmap -map +/ice40/ff_map.v; opt_expr -mux_undef; simplemap; ice40_opt -full; "
    )
    return f"{before}{synth} -run begin:map_ffs; {flip_flops}{synth} -run map_luts:; {after}"
