"""Training settings, and why they are what they are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: SGD with momentum 0.9 and one cycle of the learning rate.

    Attributes
    ----------
    epochs, batch : int
        Length of the run and images a step.
    lr : float
        Peak learning rate of batch norm, biases and (in a float run) weights.
    latent_lr, latent_std, gate_offset : float
        Peak learning rate of the S3 latents, their initial spread, and the initial mean of the sparse latents in
        units of it. What decides is rate over spread (about 100): otherwise signs stay where they started.
    regularizer : float
        Weight α of the dense-weight regulariser: it opens gates, a shut gate also blocks its sign and shifts.
    exponent_lr : float
        Learning rate of the activation scales.
    weight_decay : float
        On weights and latents.
    freeze : float
        Last share of the epochs with frozen batch statistics and activation scales.
    smoothing : float
        Label smoothing of the loss.
    """

    epochs: int
    batch: int
    lr: float = 0.1
    latent_lr: float = 1.0
    latent_std: float = 0.01
    gate_offset: float = 2.0
    regularizer: float = 1e-3
    exponent_lr: float = 0.01
    weight_decay: float = 1e-4
    freeze: float = 0.15
    smoothing: float = 0.1


RECIPES = {
    "digits": Recipe(epochs=60, batch=64),
    "mnist": Recipe(epochs=15, batch=128),
}
"""Default settings of every data set."""
