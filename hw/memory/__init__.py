"""Memories behind one interface."""

from hw.memory.main_memory import MainMemory, ecp5_column_bits

__all__ = ["MainMemory", "ecp5_column_bits"]
