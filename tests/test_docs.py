"""The Python in README and docs runs as it is printed."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch

from host.device import Device

FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [
    pytest.param(block, id=f"{path.name}-{i}")
    for path in [Path("README.md"), *sorted(Path("docs").glob("*.md"))]
    for i, block in enumerate(FENCE.findall(path.read_text()))
]


def train_as_usual(net):
    """Stand for a training: a step on noise."""
    optimizer = torch.optim.SGD(net.parameters(), 0.01)
    net(torch.rand(8, 1, 28, 28)).square().sum().backward()
    optimizer.step()


def test_the_site_is_built_without_a_warning_and_has_the_benches_numbers(tmp_path):
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(tmp_path / "site")]
    subprocess.run(command, check=True, env=environment)
    results = (tmp_path / "site" / "results" / "index.html").read_text()
    assert "{{" not in results
    rows = json.loads(Path("bench/results/systolic.json").read_text())
    speeds = [f"{row['images_per_s']:,}" for row in rows if row["images_per_s"]]
    assert speeds and all(f">{speed}<" in results for speed in speeds)
    ours, rival = (next(r for r in rows if r["case"] == f"icebreaker-resnet8-{cell}") for cell in ("s3_3", "int8_lut"))
    assert f">{ours['engine_luts'] / rival['engine_luts']:.3f}<" in results
    reference = (tmp_path / "site" / "reference" / "index.html").read_text()
    assert "would build for a board" in reference and "fine_tune" in reference


def test_there_is_python_in_the_docs():
    assert len(BLOCKS) >= 4


@pytest.mark.parametrize("block", BLOCKS)
def test_the_python_in_the_docs_runs(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Nobody has a board at hand here; its methods take what the real ones take.
    device = mock.create_autospec(Device, instance=True)
    device.__enter__.return_value = device
    monkeypatch.setattr("shiftforge.connect", lambda port: device)
    exec(compile(block, "docs", "exec"), {"train_as_usual": train_as_usual, "images": np.zeros((2, 1, 8, 8), np.uint8)})
