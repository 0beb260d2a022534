"""Memories behind one interface."""

from hw.memory.main_memory import MainMemory

__all__ = ["MainMemory"]
