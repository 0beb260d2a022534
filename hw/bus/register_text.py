"""Documents and drivers out of the description of the registers."""

from __future__ import annotations

from collections.abc import Iterator

from hw.bus.registers import MAGIC, MAP_VERSION, REGISTERS, Access, Register
from hw.systolic.program import VERSION as PROGRAM_VERSION

GENERATED = "generated from the register description, map version {version}; changes here are lost"


def markdown() -> str:
    """Return ``docs/registers.md``."""
    lines = [
        "# Registers",
        "",
        f"<!-- {_generated()} -->",
        "",
        f"Map version {MAP_VERSION}. Registers have 32 bits, addresses count bytes; bits that are not listed read 0.",
        "An access that hits no register, a read of a register that can only be written and a write to one that can",
        "only be read are answered with an error and do nothing.",
        "Registers marked W are there on Wishbone only: on AXI data goes through the streams.",
        "",
        "| address | register | bits | field | access | reset | |",
        "| ---: | --- | ---: | --- | --- | ---: | --- |",
    ]
    for register in REGISTERS:
        title = f"`{register.name.upper()}`{' W' if register.data else ''}"
        for index, field in enumerate(register.fields):
            high = field.low + field.width - 1
            bits = str(high) if field.width == 1 else f"{high}:{field.low}"
            first = (f"`{register.address:#04x}`", title) if index == 0 else ("", "")
            reset = "" if field.access in (Access.CONSTANT, Access.PUSH, Access.POP) else f"{field.reset:#x}"
            name = "" if field.name == "value" else f"`{field.name}`"
            lines.append(
                f"| {first[0]} | {first[1]} | {bits} | {name} | {field.access.value} | {reset} | {field.text} |"
            )
    return "\n".join([*lines, ""])


def c_header() -> str:
    """Return ``shiftforge_registers.h``: an offset for every register, a mask and a shift for every field."""
    lines = [
        f"/* Registers of a shiftforge engine; {_generated()}. */",
        "#ifndef SHIFTFORGE_REGISTERS_H",
        "#define SHIFTFORGE_REGISTERS_H",
        "",
        f"#define SHIFTFORGE_MAP_VERSION {MAP_VERSION}u",
        f"#define SHIFTFORGE_PROGRAM_VERSION {PROGRAM_VERSION}u",
        f"#define SHIFTFORGE_MAGIC_NUMBER {MAGIC:#x}u",
    ]
    for register in REGISTERS:
        lines += [
            "",
            f"/* {_text(register)} */",
            f"#define SHIFTFORGE_REG_{register.name.upper()} {register.address:#04x}u",
        ]
        for name, low, mask in _fields(register):
            lines += [
                f"#define SHIFTFORGE_{name}_SHIFT {low}",
                f"#define SHIFTFORGE_{name}_MASK {mask:#x}u",
            ]
    return "\n".join([*lines, "", "#endif", ""])


def python_module() -> str:
    """Return ``shiftforge_registers.py``: the same as :func:`c_header` for Python, which imports nothing."""
    lines = [
        f'"""Registers of a shiftforge engine; {_generated()}."""',
        "",
        f"MAP_VERSION = {MAP_VERSION}",
        f"PROGRAM_VERSION = {PROGRAM_VERSION}",
        f"MAGIC_NUMBER = {MAGIC:#x}",
        "",
        "",
        "class Register:",
        '    """Byte offsets."""',
        "",
        *(f"    {register.name.upper()} = {register.address:#04x}" for register in REGISTERS),
        "",
        "",
        "class Mask:",
        '    """Bits of the fields; the lowest one set is the field\'s first."""',
        "",
        *(f"    {name} = {mask:#x}" for register in REGISTERS for name, _, mask in _fields(register)),
        "",
        "",
        "def get(word, mask):",
        '    """Return the field of a mask."""',
        "    return (word & mask) // (mask & -mask)",
        "",
    ]
    return "\n".join(lines)


def _generated() -> str:
    return GENERATED.format(version=MAP_VERSION)


def _text(register: Register) -> str:
    kinds = ", ".join(dict.fromkeys(field.access.value for field in register.fields))
    return f"{register.text.rstrip('.')} ({kinds})"


def _fields(register: Register) -> Iterator[tuple[str, int, int]]:
    for field in register.fields:
        name = register.name if field.name == "value" else f"{register.name}_{field.name}"
        yield name.upper(), field.low, field.mask


def main() -> None:
    """Print the document: ``python -m hw.bus.register_text > docs/registers.md``."""
    print(markdown(), end="")


if __name__ == "__main__":
    main()
