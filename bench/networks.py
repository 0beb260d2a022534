"""The networks of the hardware benches."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from hw.graph import Alphabet, Convolution, Logits, Network, Node, load

EXAMPLES = Path("examples")


def trained(name: str) -> tuple[Network, float | None]:
    """Return an example network and its accuracy on its test set, from the JSON beside it."""
    note = EXAMPLES / f"{name}.json"
    accuracy = json.loads(note.read_text())["accuracy"] if note.exists() else None
    return load(EXAMPLES / f"{name}.s3net"), accuracy


def untrained(
    model: str,
    *,
    shape: tuple[int, int, int] = (3, 32, 32),
    method: str = "s3",
    bits: int = 3,
    activation_bits: int = 8,
    steps: int = 4,
) -> Network:
    """Return a network whose weights and scales are those of the first steps of a training on random images."""
    import torch

    from s3train.convert import convert
    from s3train.export import export
    from s3train.formats import TensorFormat
    from s3train.models import build_model

    torch.manual_seed(0)
    image = TensorFormat(8, 128, 7)
    float_model = build_model(model, shape, 10)
    net = convert(float_model, method, bits, image=image, activation_bits=activation_bits).train()
    optimizer = torch.optim.SGD(net.parameters(), 0.05)
    for _ in range(steps):
        x = (torch.randint(0, 256, (32, *shape)).float() - 128) / 128
        loss = torch.nn.functional.cross_entropy(net(x) / 20, torch.randint(0, 10, (32,)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return export(net.eval(), image, shape, name=f"{model}-untrained")


def with_integer_weights(network: Network, bits: int, seed: int = 0) -> Network:
    """Return a network of the same layers with random integer weights, for the rivals with multipliers.

    Outputs are rescaled by the same formula with a larger shift, so that they keep about their range.
    """
    rng = np.random.default_rng(seed)
    alphabet = Alphabet.integer(bits)
    half = 1 << bits - 1

    def weights(like: np.ndarray) -> np.ndarray:
        return np.clip(np.rint(rng.normal(0, half / 3, like.shape)), -half, half - 1).astype(np.int32)

    nodes: list[Node] = []
    for node in network.nodes:
        if isinstance(node, Logits):
            node = replace(node, weight=weights(node.weight), alphabet=alphabet)
        elif isinstance(node, Convolution):
            r = node.rescale
            # Weights of 8 bits are about 16 times as large; the shift takes it back.
            more = np.minimum(4 if bits == 8 else 0, 20 - r.s)
            k = np.minimum(r.k + more, 15) if node.residual else r.k
            rescale = replace(r, s=r.s + more, k=k, b=r.b << more)
            node = replace(node, weight=weights(node.weight), alphabet=alphabet, rescale=rescale)
        nodes.append(node)
    result = Network(f"{network.name}-int{bits}", network.input, network.tensors, tuple(nodes))
    result.validate()
    return result
