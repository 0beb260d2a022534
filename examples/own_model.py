"""Somebody's PyTorch model, from its float training to a bitstream: ``python examples/own_model.py``.

The same as a notebook: ``own_model.ipynb``, which ``python examples/notebook.py`` writes.
"""

import sys
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import shiftforge
from bitstreams.boards import board_by_name
from bitstreams.flow import build_board
from hw.systolic.build import generate
from s3train import TensorFormat, fine_tune, run_integer
from s3train.data import load_digits
from sim.check import check_build

# 1. A model and its data, as they are. Nothing of shiftforge is in them.
torch.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
    nn.Flatten(), nn.Linear(32, 10),
)  # fmt: skip
digits = load_digits()
train, test = ((images / 16, labels) for images, labels in (
    (digits.train_images, digits.train_labels), (digits.test_images, digits.test_labels)))  # fmt: skip
batches = DataLoader(TensorDataset(*train), 64, shuffle=True)

# 2. Would it build?
board = "ulx3s_85f"
verdict = shiftforge.check(model, train[0][:64], board=board)
print(verdict)

# 3. The float training, an ordinary loop.
optimizer = torch.optim.Adam(model.parameters(), 3e-3)
for _ in range(15):
    for images, labels in batches:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
accuracy = (model.eval()(test[0]).argmax(1) == test[1]).float().mean()
print(f"float: {accuracy:.2%}")

# 4. Shift weights that start from the trained ones, and a fine-tuning that the float model teaches.
image = TensorFormat(bits=5, zero_point=0, exponent=4)
shifted = shiftforge.convert(model, "s3", 3, image=image, from_weights=True)
fine_tune(shifted, batches, classes=10, epochs=30, teacher=model, progress=False)

# 5. Integers, and what they classify right.
network = shiftforge.export(shifted, image, (1, 8, 8), name="own-model")
logits = list(run_integer(shifted, image, digits.test_images).values())[-1]
print(f"integers, weights 0, ±1, ±2, ±4: {(logits.argmax(1) == test[1]).double().mean():.2%}")

# 6. Verilog, and ten images through it: every stored number is compared.
folder = Path("build/own-model")
build = generate(network, board, board_by_name(board).device, folder)
result = check_build(build, digits.test_images[:10].numpy(), Path("build/.cache"))
print(
    f"gateware: {result.equal} of {result.images} images equal, {result.values:,} numbers, {result.cycles[0]:,} clocks"
)
assert result.ok, result

# 7. The bitstream, in some minutes.
if "--no-bitstream" not in sys.argv:
    placed = build_board(board_by_name(board), build.compiled.config, folder, Path("build/.cache"))
    print(f"{placed.bitstream}: {placed.luts:,} lookup tables, {placed.fmax_mhz['min']} MHz at the slowest seed")
