from dataclasses import replace

import numpy as np
import pytest

from hw.devices import ECP5_85, UP5K
from hw.graph import Add, Alphabet, Concatenation, Convolution, Logits, Network, Padding, Rescale, Tensor
from hw.systolic.compiler import compile_network
from hw.systolic.compiler.plan import CompileError
from hw.systolic.search import choose_config


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


def joined(*orders):
    """The layers of :func:`network`, and concatenations of their outputs under the names c0, c1, …"""
    graph = network(("t0", None), ("t0", None), ("t0", None))
    tensors, nodes = dict(graph.tensors), list(graph.nodes[:-1])
    for i, parts in enumerate(orders):
        width = sum(tensors[name].channels for name in parts)
        tensors[f"c{i}"] = Tensor(f"c{i}", width, 4, 4, 8, 0, 0)
        nodes.append(Concatenation(f"join{i}", parts, f"c{i}"))
    last = f"c{len(orders) - 1}"
    weight = np.ones((2, tensors[last].channels, 4, 4), np.int32)
    nodes.append(Logits("logits", last, weight, Alphabet.s3(3), np.zeros(2, np.int64), 0))
    return Network("joined", "t0", tensors, tuple(nodes))


def test_parts_lie_in_the_whole_also_where_it_is_a_part_itself():
    graph = joined(("t1", "t2"), ("t3", "c0"))
    graph.validate()
    at = bases(graph)
    assert [at[name] - at["c1"] for name in ("t3", "t1", "t2", "c0")] == [0, 1, 2, 1]


@pytest.mark.parametrize(
    ("orders", "message"),
    [
        ((("t1", "t2"), ("t1", "c0")), "layer 'join1' concatenates 't1', which 'join0' does already"),
        ((("t0", "t2"),), "layer 'join0' concatenates the image itself"),
    ],
)
def test_what_an_engine_cannot_concatenate_is_refused(orders, message):
    with pytest.raises(CompileError, match=message):
        bases(joined(*orders))


def test_a_part_behind_half_a_word_is_refused():
    graph = joined(("t1", "t2", "t3"))
    wide = replace(choose_config([graph], ECP5_85), rows=16, cols=8, memory_words=4096)
    with pytest.raises(
        CompileError, match="concatenates 't2' behind 8 channels; the engine needs a multiple of its 16"
    ):
        compile_network(graph, wide)


def test_the_memory_plan_has_every_map_with_the_layers_it_is_kept_for():
    graph = network(("t0", None), ("t1", None), ("t2", "t1"), ("add", ("t3", "t1")))
    compiled = compile_network(graph, choose_config([graph], UP5K))
    lives = [(m.name, m.born, m.dies, m.within) for m in compiled.maps]
    assert lives == [
        ("t0", "the image", "n1", ""),
        ("t1", "n1", "n4", ""),
        ("t2", "n2", "n3", ""),
        ("t3", "n3", "n4", ""),
        ("t4", "n4", "logits", ""),
    ]
    for stored in compiled.maps:
        layout = compiled.layouts[stored.name]
        assert (stored.address, stored.words) == (layout.base, layout.words)


def test_the_memory_plan_says_which_maps_lie_in_another_one():
    compiled = compile_network(graph := joined(("t1", "t2"), ("t3", "c0")), choose_config([graph], UP5K))
    plan = {m.name: m for m in compiled.maps}
    assert [(m.born, m.dies, m.within) for m in (plan["c1"], plan["c0"], plan["t2"])] == [
        ("n1", "logits", ""),
        ("join0", "logits", "c1"),
        ("n2", "logits", "c1"),
    ]
    assert {name for name, m in plan.items() if not m.within} == {"t0", "c1"}
