from pathlib import Path

from hw.bus.register_text import c_header, markdown, python_module
from hw.bus.registers import REGISTERS


def test_the_document_is_up_to_date():
    assert Path("docs/registers.md").read_text() == markdown(), "python -m hw.bus.register_text > docs/registers.md"


def test_the_python_module_has_every_register_and_field():
    names = {}
    exec(python_module(), names)
    for register in REGISTERS:
        assert getattr(names["Register"], register.name.upper()) == register.address
        for field in register.fields:
            name = register.name if field.name == "value" else f"{register.name}_{field.name}"
            mask = getattr(names["Mask"], name.upper())
            assert mask == field.mask
            assert names["get"](0xFFFFFFFF, mask) == (1 << field.width) - 1


def test_the_c_header_has_every_register_and_field():
    lines = dict(line.split()[1:] for line in c_header().splitlines() if line.startswith("#define") and " 0x" in line)
    for register in REGISTERS:
        assert int(lines[f"SHIFTFORGE_REG_{register.name.upper()}"].rstrip("u"), 16) == register.address
        for field in register.fields:
            name = register.name if field.name == "value" else f"{register.name}_{field.name}"
            assert int(lines[f"SHIFTFORGE_{name.upper()}_MASK"].rstrip("u"), 16) == field.mask
