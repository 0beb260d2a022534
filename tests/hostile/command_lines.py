"""Command lines and the files that they read, most of them malformed."""

from __future__ import annotations

import copy
import io
import json
import pickle
import random
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from tests.hostile.network_files import change_container, change_json, flip_bytes, mutate
from tests.hostile.values import INTEGERS, STRINGS, hostile

OPTIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "train": {
        "--data": ("digits", "mnist", "fashion", "cifar10", "cifar100", "imagenet"),
        "--method": ("s3", "denseshift", "deepshift_q", "deepshift_ps", "apot", "uniform", "float"),
        "--bits": ("2", "3", "4", "5"), "--activation-bits": ("2", "8", "32"),
        "--recipe": ("default", "random", "paper"), "--epochs": ("1", "2"), "--seed": ("0", "1"),
        "--teacher": ("run",), "--start": ("run",), "--config": ("config.yaml",), "--out": ("run", "new"),
        "--resume": (), "--no-resume": (), "--overwrite": (),
    },
    "export": {"--out": ("out.s3net", "run"), "--samples": ("1", "5")},
    "check": {"--board": ("icebreaker", "hx8k_evn", "ulx3s_85f")},
    "generate": {
        "--board": ("icebreaker", "hx8k_evn", "ulx3s_85f"), "--out": ("out", "build"), "--also": ("net.s3net",),
        "--engine": ("build",), "--rows": ("8",), "--cols": ("4", "8"), "--clusters": ("1", "2"),
        "--columns-per-requantizer": ("2",),
    },
    "simulate": {"--samples": ("1", "3"), "--seed": ("0",), "--waves": ("vcd", "fst")},
    "synth": {"--seeds": ("1", "3")},
    "core": {
        "--engine": ("build",), "--bus": ("axi", "wishbone"), "--out": ("out", "core"), "--also": ("net.s3net",),
        "--board": ("icebreaker", "hx8k_evn", "ulx3s_85f"), "--stream-bits": ("8", "32"), "--pipelined": (),
    },
    "boards": {"--json": ()},
    "flash": {"--dry-run": ()},
    "simboard": {"--link": ("uart", "spi"), "--flash": ("net.s3net",)},
    "run": {
        "--port": ("/dev/ttyS97",), "--network": ("net.s3net",), "--baud": ("1000000",), "--samples": ("1",),
        "--self-test": (), "--json": (),
    },
    "demo": {"--out": ("out",), "--samples": ("1",)},
}  # fmt: skip
"""The options of every verb, with values that are right."""

ARGUMENTS = {
    "train": ("mlp", "small_resnet", "lenet5", "resnet8"), "export": ("run",), "check": ("net.s3net",),
    "generate": ("net.s3net",), "simulate": ("build",), "synth": ("build",), "demo": (),
    "core": ("net.s3net",), "boards": (), "flash": ("build",), "simboard": ("build",), "run": ("digits", "image.npy"),
}  # fmt: skip
"""The argument of every verb."""

_WORDS = (
    *STRINGS[:-12], *map(str, INTEGERS), "1e3", "0x10", "1_0", "\u0663", "true", "--", "-", "--help", "-h", "--version",
    "nowhere", "net.s3net", "run", "build", "config.yaml", "/dev/null", "/dev/full", "/proc/self/mem", "net.s3net/x",
    ".", "a" * 300, "[/bold]", "[/]x", ":smile:",
)  # fmt: skip

_DOUBLING = "a: &a [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1 or ''}, *a{n - 1 or ''}]\n" for n in range(1, 50))

_YAML = (
    "", "- 1", "a: [", "\t", "model: !!python/object/apply:os.system [echo]", "!!python/name:os.system", "? [a]\n: b",
    "model: mlp\nmodel: mlp", "&a [*a]", "model: &a [*a]", "model: mlp\n---\nmodel: mlp", 'model: mlp\nout: "\\0"',
    "model: 2020-01-01", "model: mlp\nseed: .nan", f"{_DOUBLING}model: *a49", "[" * 3000, "{a: " * 3000,
    "model: mlp\nsettings: null", 'model: "\\ud800"', "\ufeffmodel: mlp", "settings: {epochs: 99999999999999999999}",
    f"{_DOUBLING}", "model: mlp\nsettings: {lr: .inf}", "model: mlp\nsettings: {epochs: 1e3}", "model: mlp\nout: {}",
)  # fmt: skip


class Bomb:
    """Unpickling it would leave a trace."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("unpickled"),)


class Workplace:
    """A folder with a network, a finished run, a build and a configuration, each of which can be damaged.

    Parameters
    ----------
    folder : Path
        Where it is made; it becomes the current folder of the command.
    files : dict
        Content by name, all sound.
    """

    def __init__(self, folder: Path, files: dict[str, bytes]) -> None:
        self.folder, self.files = folder, files

    def make(self, changed: dict[str, bytes]) -> None:
        """Make the folder anew with some files changed."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for name, content in (self.files | changed).items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def damage(self, rng: random.Random, name: str) -> dict[str, bytes]:
        """Return the changed content of a file."""
        return {name: damaged(rng, name, self.files[name])}


def damaged(rng: random.Random, name: str, content: bytes) -> bytes:
    """Return a file's content, changed in a way that suits its kind, or a pickle, or garbage."""
    kind = rng.random()
    if kind < 0.1:
        return rng.choice((b"", b"\0" * 100, rng.randbytes(200), pickle.dumps(Bomb()), b"\xff\xfe{", b"[" * 100_000))
    if kind < 0.3:
        return flip_bytes(rng, content)
    if kind < 0.4:
        return change_container(rng, content)
    suffix = Path(name).suffix
    if suffix == ".json":
        return json.dumps(change_json(rng, json.loads(content))).encode()
    if suffix == ".s3net":
        return mutate(rng, content)
    if suffix == ".npz":
        return _arrays(rng, content)
    if suffix == ".yaml":
        return _yaml(rng, content)
    if suffix == ".safetensors":
        length = struct.unpack("<Q", content[:8])[0]
        header = json.dumps(change_json(rng, json.loads(content[8 : 8 + length]))).encode()
        return struct.pack("<Q", len(header)) + header + content[8 + length :]
    return flip_bytes(rng, content)


def _arrays(rng: random.Random, content: bytes) -> bytes:
    """Return an archive of other arrays, or of objects, which only pickle could read."""
    with np.load(io.BytesIO(content), allow_pickle=False) as found:
        arrays: dict[str, Any] = dict(found)
    name = rng.choice(sorted(arrays))
    changes: tuple[Callable[[Any], Any], ...] = (
        lambda a: np.array([Bomb()], object), lambda a: a.astype(np.float64), lambda a: a[:0], lambda a: a[..., :0],
        lambda a: a.ravel(), lambda a: a ^ 1, lambda a: np.array("x"), lambda a: a[:1], lambda a: a.astype("S3"),
    )  # fmt: skip
    changed = rng.choice(changes)(arrays.pop(name))
    if rng.random() < 0.8:
        arrays[rng.choice((name, name, "stored.x", "x"))] = changed
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def _yaml(rng: random.Random, content: bytes) -> bytes:
    if rng.random() < 0.3:
        return rng.choice(_YAML).encode("utf-8", "surrogatepass")
    value: dict[str, Any] = yaml.safe_load(content)
    where = rng.choice((value, value["settings"]))
    key = rng.choice(sorted(where))
    where[key] = rng.choice((hostile(rng), hostile(rng), rng.choice(INTEGERS), rng.random() * 4 - 2))
    return yaml.safe_dump(value).encode("utf-8", "surrogatepass")


def command_line(rng: random.Random) -> list[str]:
    """Return a verb with its arguments, some of them wrong."""
    verb = rng.choice(sorted(OPTIONS))
    options = OPTIONS[verb]
    line = [rng.choice(ARGUMENTS[verb])] if ARGUMENTS[verb] else []
    for name in rng.sample(sorted(options), rng.randrange(min(4, len(options)) + 1)):
        line += [name, rng.choice(options[name])] if options[name] else [name]
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        kind = rng.randrange(6)
        at = rng.randrange(len(line) + 1)
        if kind <= 2 and line:
            line[min(at, len(line) - 1)] = rng.choice(_WORDS)
        elif kind == 3:
            line.insert(at, rng.choice(_WORDS))
        elif kind == 4 and line:
            del line[min(at, len(line) - 1)]
        else:
            line += [rng.choice(sorted(options)), rng.choice(_WORDS)]
    verb = rng.choice(_WORDS) if rng.random() < 0.02 else verb
    # The operating system gives no argument with a zero byte, and none that is not text.
    return [word.replace("\0", "").encode("utf-8", "replace").decode() for word in [verb, *line]]


def reading_line(rng: random.Random, workplace: Workplace) -> tuple[list[str], dict[str, bytes]]:
    """Return a sound command line and the damaged files that it reads."""
    lines: tuple[tuple[list[str], tuple[str, ...]], ...] = (
        (["check", "net.s3net", "--board", rng.choice(OPTIONS["check"]["--board"])], ("net.s3net",)),
        (["generate", "net.s3net", "--out", "out"], ("net.s3net", "net.reference.npz")),
        (["generate", "net.s3net", "--engine", "build", "--out", "out"], ("build/build.json", "build/network.s3net")),
        (["simulate", "build", "--samples", "2"],
         ("build/build.json", "build/network.s3net", "build/reference.npz", "build/engine.v")),
        (["core", "net.s3net", "--out", "out"], ("net.s3net",)),
        (["core", "--engine", "build", "--bus", "wishbone"], ("build/build.json", "build/network.s3net")),
        (["synth", "build"], ("build/build.json", "build/network.s3net", "build/engine.v")),
        (["export", "run", "--samples", "3"], ("run/config.json", "run/model.safetensors")),
        (["train", "mlp", "--epochs", "1", "--out", "run"], ("run/config.json", "run/result.json")),
        (["train", "mlp", "--epochs", "2", "--out", "part", "--resume"], ("part/config.json", "part/last.ckpt")),
        (["train", "mlp", "--start", "run", "--out", "new"], ("run/config.json", "run/model.safetensors")),
        (["train", "--config", "config.yaml", "--out", "new"], ("config.yaml", "config.yaml", "config.yaml")),
    )  # fmt: skip
    line, names = rng.choice((*lines, *[lines[-1]] * 4))
    changed = {}
    for name in {rng.choice(names) for _ in range(rng.choice((1, 1, 2)))}:
        changed |= workplace.damage(rng, name)
    return copy.copy(line), changed
