"""The build folder: what ``generate`` writes and ``simulate`` and ``synth`` read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hw.devices import Device
from hw.graph import Network, digest, load, save
from hw.systolic.compiler import CompiledNetwork, compile_network
from hw.systolic.config import EngineConfig
from hw.systolic.search import choose_config
from hw.systolic.verilog import emit_verilog
from hw.whole_file import write_whole

FORMAT = 1

RESULTS = ("simulation.json", "verification.json", "report.html", "report.json", "waves.*")
BITSTREAMS = ("result.json", "*.bin", "*.bit")
"""What later verbs write into the folder, and into ``board`` in it: results of the engine and the program there."""


class BuildError(ValueError):
    """A folder is not a complete build; the sentence says what is missing or wrong."""


@dataclass(frozen=True, eq=False)
class Build:
    """A generated engine.

    Attributes
    ----------
    folder : Path
        Where it is.
    board : str
        Name of the board that it was generated for.
    compiled : CompiledNetwork
        The program, for the engine's configuration.
    verilog : str
        The engine.
    """

    folder: Path
    board: str
    compiled: CompiledNetwork
    verilog: str


def generate(
    network: Network,
    board: str,
    device: Device,
    out: Path,
    *,
    also: Sequence[Network] = (),
    config: EngineConfig | None = None,
    engine: Build | None = None,
    reference: bytes | None = None,
    training: str | None = None,
) -> Build:
    """Write a build folder.

    It has ``network.s3net``, ``engine.v``, ``program.hex`` and ``build.json``, and ``reference.npz`` and
    ``training.json`` where they are given. Where an earlier build had another engine or program, its results go.

    Parameters
    ----------
    network : Network
        What the engine is to run.
    board, device : str, Device
        Where it is to run.
    out : Path
        The folder; its files are replaced one by one, ``build.json`` last.
    also : sequence of Network
        Further networks that the engine is made for; their programs are generated for ``engine``.
    config : EngineConfig or None
        The engine, or ``None`` to choose one.
    engine : Build or None
        Take the engine of this build as it is; one bitstream then runs both networks.
    reference : bytes or None
        What becomes ``reference.npz``; without it the folder has none, also where an earlier build had one.
    training : str or None
        The same for ``training.json``.

    Raises
    ------
    CompileError
        If a network does not fit.
    BuildError
        If ``out`` is a file.
    """
    if out.exists() and not out.is_dir():
        raise BuildError(f"{out}: is a file, a build is a folder")
    if engine is not None:
        config = engine.compiled.config
    config = config or choose_config([network, *also], device)
    for other in also:
        compile_network(other, config)
    compiled = compile_network(network, config)
    key = digest(network)
    header = [
        f"shiftforge engine for {network.name} (sha256 {key[:16]}) on {board}",
        f"{config.rows} x {config.cols} shift-add cells, {config.activation_bits}-bit activations, "
        f"weights {config.alphabet}, {config.acc_width}-bit sums",
        f"{len(compiled.words)} words of program and weights, {compiled.predicted_cycles} clocks an inference",
        f"amaranth {version('amaranth')}",
    ]
    verilog = engine.verilog if engine is not None else emit_verilog(config, header)
    digits = config.word_bits // 4
    program = "".join(f"{word:0{digits}x}\n" for word in compiled.words)
    out.mkdir(parents=True, exist_ok=True)
    (out / "build.json").unlink(missing_ok=True)
    earlier = {name: text for name, text in (("engine.v", verilog), ("program.hex", program)) if (out / name).exists()}
    if not all((out / name).read_bytes() == text.encode() for name, text in earlier.items()):
        _remove_results(out)
    save(network, out / "network.s3net")
    write_whole(out / "engine.v", verilog)
    write_whole(out / "program.hex", program)
    for name, content in (("reference.npz", reference), ("training.json", training)):
        if content is None:
            (out / name).unlink(missing_ok=True)
        else:
            write_whole(out / name, content)
    write_whole(out / "build.json", json.dumps(_description(compiled, board, key), indent=2) + "\n")
    return Build(out, board, compiled, verilog)


def _remove_results(folder: Path) -> None:
    """Remove what later verbs found out about the engine and the program that were there; nothing else is theirs."""
    for place, patterns in ((folder, RESULTS), (folder / "board", BITSTREAMS)):
        for pattern in patterns:
            for file in place.glob(pattern):
                file.unlink()


def open_build(folder: Path) -> Build:
    """Read a build folder.

    Raises
    ------
    BuildError
        If it is not complete, or ``build.json`` is damaged.
    NetworkError, CompileError
        If the network is damaged, or another one than the engine is for.
    """
    try:
        text = (folder / "build.json").read_text()
        verilog = (folder / "engine.v").read_text()
    except FileNotFoundError as error:
        name = Path(error.filename or "file").name
        raise BuildError(f"{folder}: not a build folder ({name} is missing); run shiftforge generate") from error
    except OSError as error:
        raise BuildError(f"{error.filename}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise BuildError(f"{folder}: build.json or engine.v is not text; run shiftforge generate again") from error
    try:
        description: dict[str, Any] = json.loads(text)
        if description["format"] != FORMAT:
            raise BuildError(f"{folder}: build format {description['format']!r:.40}, this program reads {FORMAT}")
        board = description["board"]
        if not isinstance(board, str):
            raise TypeError("field board is not a name")
        for part, field in (("network", "name"), ("network", "sha256"), ("tools", "amaranth")):
            if not isinstance(description[part][field], str):
                raise TypeError(f"field {part}.{field} is not a text")
        config = EngineConfig.from_json(description["config"])
    except BuildError:
        raise
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise BuildError(f"{folder}: build.json is damaged ({error}); run shiftforge generate again") from error
    return Build(folder, board, compile_network(load(folder / "network.s3net"), config), verilog)


def _description(compiled: CompiledNetwork, board: str, key: str) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "board": board,
        "network": {"name": compiled.network.name, "sha256": key},
        "config": compiled.config.to_json(),
        "predicted_cycles": compiled.predicted_cycles,
        "busy": round(compiled.busy, 4),
        "memory": {
            "words": compiled.config.memory_words,
            "used": compiled.memory_words,
            "instructions": compiled.program.instructions,
            "constants": compiled.program.constants,
            "weights": compiled.program.weights,
            "maps": {
                m.name: {"address": m.address, "words": m.words, "born": m.born, "dies": m.dies} for m in compiled.maps
            },
        },
        "layers": [
            {"node": layer.node, "clocks": layer.clocks, "slots": layer.slots, "macs": layer.macs}
            for layer in compiled.layer_clocks
        ],
        "tools": {"amaranth": version("amaranth")},
    }
