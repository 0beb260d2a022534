"""Which bits of a layer's instructions an engine keeps."""

from __future__ import annotations

from amaranth.hdl._ast import Statement  # the type of an assignment has no public name
from amaranth.lib import data

from hw.systolic.config import EngineConfig


def kept(
    register: data.View[data.StructLayout], fields: data.View[data.StructLayout], config: EngineConfig
) -> list[Statement]:
    """Return the assignments of a layer register, less the bits that this engine never needs."""
    widths = {
        "cols": config.coordinate_bits,
        "rows": config.coordinate_bits,
        "width": config.coordinate_bits,
        "height": config.coordinate_bits,
        "x_step": min(config.address_bits, config.step_bits),
        "stride_x": config.stride_bits,
        "stride_y": config.stride_bits,
        "classes": config.class_bits,
        "row_step": config.address_bits,
    }
    widths["residual_shift"] = (config.max_residual_shift - config.min_residual_shift).bit_length()
    if not config.mixed_bits:
        widths["maximum"] = 0
    statements: list[Statement] = []
    for key, _ in register.shape():
        name = str(key)
        if name == "border" and not config.mixed_bits:
            # A zero point is 0 or half the range: one bit.
            top = config.activation_bits - 1
            statements.append(register.border[top].eq(fields.border[top]))
        elif (name == "measured" and not config.norm_bits) or (name == "table" and not config.table):
            continue
        elif name != "opcode":
            statements.append(register[name].eq(fields[name][: widths.get(name)]))
    return statements
