import numpy as np

from hw.devices import UP5K
from hw.graph import Add, Alphabet, Convolution, Logits, Network, Padding, Rescale, Tensor
from hw.systolic.compiler import compile_network
from hw.systolic.shape import choose_config


def network(*layers):
    """Convolutions of 1 x 1 on maps of 8 channels, 4 x 4: (input, residual) of each; t0 is the image."""
    alphabet = Alphabet.s3(3)
    weight = np.ones((8, 8, 1, 1), np.int32)
    tensors = {f"t{i}": Tensor(f"t{i}", 8, 4, 4, 8, 0, 0) for i in range(len(layers) + 1)}
    nodes = []
    for i, (source, residual) in enumerate(layers, 1):
        name, output = f"n{i}", f"t{i}"
        rescale = Rescale(*(np.full(8, v, np.int64) for v in (0, 0, 4, 0, 4 if residual else 0, 8)))
        if source == "add":
            nodes.append(Add(name, residual[0], residual[1], output, rescale))
        else:
            nodes.append(
                Convolution(name, source, output, weight, alphabet, (1, 1), Padding(), 1, False, rescale, residual)
            )
    last = f"t{len(layers)}"
    nodes.append(Logits("logits", last, np.ones((2, 8, 4, 4), np.int32), alphabet, np.zeros(2, np.int64), 0))
    graph = Network("residuals", "t0", tensors, tuple(nodes))
    graph.validate()
    return graph


def bases(graph):
    return {name: layout.base for name, layout in compile_network(graph, choose_config([graph], UP5K)).layouts.items()}


def test_a_sum_takes_the_place_of_its_residual_operand():
    at = bases(network(("t0", None), ("t1", None), ("t2", "t1")))
    assert at["t3"] == at["t1"] != at["t2"]


def test_an_operand_that_the_window_still_reads_keeps_its_place():
    at = bases(network(("t0", None), ("t1", "t1")))
    assert at["t2"] != at["t1"]


def test_an_operand_that_somebody_needs_later_keeps_its_place():
    at = bases(network(("t0", None), ("t1", None), ("t2", "t1"), ("add", ("t3", "t1"))))
    assert at["t3"] not in (at["t1"], at["t2"]) and at["t4"] == at["t1"]
