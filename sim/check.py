"""Simulates a build and compares it with the references; a result is kept with what it was made from."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path

import numpy as np

from hw.systolic.build import Build
from hw.whole_file import write_whole
from sim.compare import Comparison, Reference, compare
from sim.runner import Waves, compile_simulation, pack_memory, run_simulation


def check_build(
    build: Build,
    images: np.ndarray,
    cache: Path,
    *,
    torch_reference: Reference | None = None,
    seed: int = 0,
    stall: float = 0.2,
    waves: Waves = None,
) -> Comparison:
    """Run images through the Verilog and compare every stored number, logit, class, and the clocks.

    Parameters
    ----------
    build : Build
        The engine.
    images : uint8 (images, channels, height, width)
        Stored numbers of the image.
    cache : Path
        Where compiled simulations and results are kept.
    torch_reference : mapping or None
        What the PyTorch integer reference stored for the images; held against the numpy reference first.
    seed, stall : int, float
        Random pauses of both streams from the second image on.
    waves : "vcd", "fst" or None
        Write ``waves.vcd`` or ``waves.fst`` into the build folder.
    """
    reference = build.compiled.network.run(images)
    if torch_reference is not None:
        wanted = {name: values.shape for name, values in reference.items() if name != build.compiled.network.input}
        if {name: values.shape for name, values in torch_reference.items()} != wanted:
            raise ValueError(f"{build.folder}: reference.npz is of another network; run shiftforge generate again")
        for name, values in torch_reference.items():
            if not np.array_equal(values, reference[name]):
                where = np.argwhere(values != reference[name])[0].tolist()
                return Comparison(
                    len(images), 0, values.size, [], build.compiled.predicted_cycles,
                    f"PyTorch and numpy differ in {name} at {where}", int(np.count_nonzero(values != reference[name])),
                )  # fmt: skip
    key = hashlib.sha256()
    for part in (build.verilog.encode(), pack_memory(build.compiled), images.tobytes(), f"{seed} {stall}".encode()):
        key.update(hashlib.sha256(part).digest())
    result = cache / f"simulated-{key.hexdigest()[:20]}.json"
    if waves is None and result.exists():
        # A damaged result is made again.
        with contextlib.suppress(ValueError, TypeError):
            return Comparison(**json.loads(result.read_text()))
    simulation = compile_simulation(build.verilog, build.compiled, cache, waves=waves)
    runs = run_simulation(
        simulation, build.compiled, images, seed=seed, stall=stall,
        waves_file=None if waves is None else build.folder / f"waves.{waves}",
    )  # fmt: skip
    comparison = compare(build.compiled, runs, reference)
    if comparison.ok:
        write_whole(result, json.dumps(comparison.__dict__))
    return comparison
