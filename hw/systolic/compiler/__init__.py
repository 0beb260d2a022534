"""The compiler: integer network and engine configuration in, memory words out."""

from hw.systolic.compiler.compile import CompiledNetwork, compile_network
from hw.systolic.compiler.plan import CompileError

__all__ = ["CompileError", "CompiledNetwork", "compile_network"]
