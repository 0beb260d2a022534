"""Every number of a profile on networks whose numbers are known."""

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from cli.main import app
from hw.graph import MaxPool, Padding, load
from planner.profile import profile
from s3train.data import load_digits

DIGITS = load("examples/digits.s3net")
IMAGES = load_digits().test_images[:50].numpy()


def test_every_share_is_that_of_the_stored_numbers():
    found = profile(DIGITS, IMAGES)
    stored = DIGITS.run(IMAGES)
    assert [t.tensor for t in found.tensors] == [DIGITS.input, *(n.output for n in DIGITS.nodes[:-1])]
    for t in found.tensors:
        tensor, values = DIGITS.tensors[t.tensor], stored[t.tensor].astype(np.int64)
        real = (values - tensor.zero_point) * 2.0**-tensor.exponent
        assert (t.low, t.high) == (real.min(), real.max()) and t.range_low <= t.low <= t.high <= t.range_high
        assert t.zeros == (real == 0).mean() and t.bits == tensor.bits and t.channels == tensor.channels
        ends = (values == tensor.maximum) | ((values == 0) & (tensor.zero_point > 0))
        assert t.clipped == ends.mean()
        assert t.dead == sum(len(np.unique(values[:, c])) == 1 for c in range(t.channels))
    weights = {w.layer: w for w in found.weights}
    for node in DIGITS.nodes:
        if hasattr(node, "weight"):
            w = weights[node.name]
            assert w.count == node.weight.size == sum(w.histogram.values()) and w.zeros == (node.weight == 0).mean()
            assert all((node.weight == value).sum() == count for value, count in w.histogram.items())


def changed(**fields):
    """Return the digits network whose first layer's weights or output formula are changed."""
    first = DIGITS.nodes[0]
    return replace(DIGITS, nodes=(replace(first, **fields), *DIGITS.nodes[1:]))


def warnings(network, name="stem_block"):
    return [text for text in profile(network, IMAGES).warnings if text.startswith(name)]


def test_what_is_wrong_is_warned_of_and_nothing_else():
    first = DIGITS.nodes[0]
    assert warnings(DIGITS) == []
    weight = first.weight.copy()
    weight[:3] = 0
    said = warnings(changed(weight=weight))
    assert any("3 of its 16 output channels have no weight but 0" in text for text in said)
    assert any("3 of its 16 channels never change" in text for text in said)
    small = np.sign(first.weight)
    assert any("its largest weight is 1, the alphabet s3-3 has 4" in text for text in warnings(changed(weight=small)))
    r = first.rescale
    (quiet,) = warnings(changed(rescale=replace(r, s=r.s + 2)))
    assert "2 of its 8 bits are never used: an exponent of 2 more" in quiet
    (loud,) = warnings(changed(rescale=replace(r, s=r.s - 3)))
    assert "of its numbers are at the end of the range: an exponent less" in loud


def test_the_range_of_a_pool_is_its_operands():
    first = DIGITS.nodes[0]
    pool = MaxPool("pool", first.output, "pooled", (2, 2), (2, 2), Padding())
    source = DIGITS.tensors[first.output]
    pooled = replace(source, name="pooled", height=source.height // 2, width=source.width // 2)
    weight = np.zeros((10, *pooled.shape), np.int64)
    last = replace(DIGITS.logits, input="pooled", weight=weight)
    for s in (-3, 2):
        loud = replace(first, rescale=replace(first.rescale, s=first.rescale.s + s))
        tensors = {t.name: t for t in (DIGITS.tensors[DIGITS.input], source, pooled)}
        network = replace(DIGITS, tensors=tensors, nodes=(loud, pool, last))
        assert any("an exponent" in text for text in warnings(network))
        assert not any("an exponent" in text for text in warnings(network, "pooled"))


@pytest.mark.parametrize(
    ("zero_point", "low", "high", "used"), [(128, 64, 191, 7), (128, 63, 128, 8), (0, 0, 127, 7), (0, 0, 128, 8)]
)
def test_the_bits_that_are_used(zero_point, low, high, used):
    from planner.profile import _tensor

    tensor = replace(DIGITS.tensors[DIGITS.nodes[0].output], zero_point=zero_point, channels=1, height=1, width=1)
    values = np.array([low, high], np.uint8).reshape(2, 1, 1, 1)
    assert _tensor(tensor, values, given=False).used_bits == used


def test_a_profile_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one image"):
        profile(DIGITS, IMAGES[:0])


def test_the_verb_prints_all_of_it(tmp_path):
    run = CliRunner().invoke
    arguments = ["profile", "examples/digits.s3net", "--data", "digits", "--samples", "20"]
    shown = run(app, arguments)
    assert (
        shown.exit_code == 0 and "pool_average" in shown.output and "an exponent less would clip fewer" in shown.output
    )
    found = json.loads(run(app, [*arguments, "--json"]).output)
    assert found["images"] == 20 and len(found["tensors"]) == 8 and found["warnings"]
    np.save(tmp_path / "mine.npy", IMAGES[:20])
    own = ["profile", "examples/digits.s3net", "--images", str(tmp_path / "mine.npy"), "--json"]
    assert json.loads(run(app, own).output) == json.loads(json.dumps(profile(DIGITS, IMAGES[:20]).to_json()))
    wrong = run(app, ["profile", "examples/digits.s3net", "--data", "cifar"])
    assert wrong.exit_code == 1 and "data set 'cifar' is unknown" in wrong.stderr
