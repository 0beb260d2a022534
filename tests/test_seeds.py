"""Means and spreads of the short runs, from rows."""

from bench.seeds import over_seeds
from bench.training import NEIGHBOUR_EPOCHS


def row(model, seed, accuracy, epochs=NEIGHBOUR_EPOCHS):
    return {
        "model": model, "method": "float", "activation_bits": 32, "recipe": "default", "epochs": epochs, "seed": seed,
        "accuracy": accuracy,
    }  # fmt: skip


def test_differences_are_taken_seed_by_seed_where_both_networks_have_the_seed():
    rows = [
        row("resnet8_strided", 0, 0.70), row("resnet8_strided", 1, 0.74), row("resnet8_strided", 0, 0.1, epochs=30),
        row("resnet8_aps", 0, 0.71), row("resnet8_aps", 1, 0.78), row("resnet8_aps", 2, 0.79),
        row("resnet8_sb", 0, 0.5),
    ]  # fmt: skip
    assert list(over_seeds(rows)) == [
        ("resnet8_sb", "float", 1, "50.00", "", ""),
        ("resnet8_strided", "float", 2, "72.00 ± 2.83", "", ""),
        ("resnet8_aps", "float", 3, "76.00 ± 4.36", "resnet8_strided", "+2.50 ± 2.12"),
    ]
