"""The driver in C; :mod:`hw.bus.register_text` makes its header of registers."""
