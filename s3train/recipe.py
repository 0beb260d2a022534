"""Training settings, and why they are what they are."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from s3train.field_types import check_fields

RANGES: dict[str, tuple[float, float]] = {
    "epochs": (1, 1_000_000),
    "batch": (1, 1_000_000),
    **dict.fromkeys(
        ("lr", "weight_decay", "latent_lr", "latent_std", "regularizer", "exponent_lr", "features"), (0, 1e30)
    ),
    "gate_offset": (-1e30, 1e30),
    **dict.fromkeys(("freeze", "soft", "distillation", "rise"), (0, 1)),
    "smoothing": (0, 0.99),
    "temperature": (0.01, 1000),
}
"""Smallest and largest value of every number."""

_NAMES: dict[str, tuple[str, ...]] = {
    "optimizer": ("sgd", "radam"),
    "precision": ("32-true", "bf16-mixed", "16-mixed"),
}


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: one cycle of the learning rate, SGD with momentum 0.9 or RAdam.

    Attributes
    ----------
    epochs, batch : int
        Length of the run and images a step.
    lr : float
        Peak learning rate of batch norm, biases and weights that are not latents.
    optimizer : str
        ``"sgd"`` or ``"radam"``.
    weight_decay : float
        On weights and latents.
    latent_lr, latent_std, gate_offset : float
        Peak learning rate of the latents, their initial spread, and the initial mean of S3's sparse latents in units
        of it. What decides is rate over spread (about 100): otherwise signs stay where they started.
    tied : bool
        Method ``s3`` has one number a weight instead of free latents, see :class:`s3train.reparam.TiedS3`. Where
        nothing is said it has one if it starts from a twin.
    learned_spread : bool
        Tied latents' size in units of their channel's scale is learned instead of fixed.
    root : bool
        S3's gradient through DenseShift's √ instead of the power.
    regularizer : float
        Weight α of S3's dense-weight regulariser: it opens gates, a shut gate also blocks its sign and shifts.
    exponent_lr : float
        Learning rate of the activations' scales and the logits' temperature.
    freeze : float
        Last share of the steps with frozen activation scales. (Freezing batch statistics too does harm: without the
        batch's own normalisation the signs that still change blow the activations up.)
    soft : float
        Share of the steps after which batch norm's factors are fully rounded; in the first half of it not at all.
    smoothing : float
        Label smoothing of the loss.
    distillation, temperature : float
        Share of the loss that is the distance to a teacher's softened classes, and the softening.
    features : float
        Weight of the distance to the float twin's features, see :mod:`s3train.feature_distillation`.
    from_twin : bool
        Start from the weights of the float twin instead of at random.
    rise : float
        Share of the steps in which the learning rate rises.
    precision : str
        Lightning's precision: ``32-true``, ``bf16-mixed`` or ``16-mixed``.
        Under ``bf16-mixed`` layers compute in bfloat16; latents, batch norm's parameters and
        evaluation stay in float32.
    """

    epochs: int
    batch: int
    lr: float = 0.1
    optimizer: str = "sgd"
    weight_decay: float = 1e-4
    latent_lr: float = 1.0
    latent_std: float = 0.01
    gate_offset: float = 2.0
    tied: bool = False
    learned_spread: bool = False
    root: bool = False
    regularizer: float = 1e-3
    exponent_lr: float = 0.01
    freeze: float = 0.1
    soft: float = 0.8
    smoothing: float = 0.1
    distillation: float = 0.0
    temperature: float = 4.0
    features: float = 0.0
    from_twin: bool = False
    rise: float = 0.2
    precision: str = "32-true"

    def __post_init__(self) -> None:
        check_fields(self, "recipe field")
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"recipe field {name} is {value!r:.40}, supported are {low:g} to {high:g}")
        for name, names in _NAMES.items():
            value = getattr(self, name)
            if value not in names:
                raise ValueError(f"recipe field {name} is {value!r:.40}, supported are {', '.join(names)}")


_CIFAR: dict[str, Any] = {
    "epochs": 30,
    "batch": 128,
    "smoothing": 0.0,
    "distillation": 0.9,
    "from_twin": True,
    "precision": "bf16-mixed",
}
_DATA: dict[str, dict[str, Any]] = {
    "digits": {"epochs": 60, "batch": 64},
    "mnist": {"epochs": 15, "batch": 128},
    "fashion": {**_CIFAR, "epochs": 20},
    "cifar10": _CIFAR,
    "cifar100": _CIFAR,
}
_METHOD: dict[str, dict[str, Any]] = {
    "denseshift": {"latent_std": 0.001},
    "deepshift_ps": {"optimizer": "radam", "lr": 0.01, "latent_lr": 0.01},
}
_RANDOM: dict[str, Any] = {"distillation": 0.0, "from_twin": False}
_PAPER: dict[str, Any] = {
    **_RANDOM,
    "latent_lr": 0.1,
    "lr": 0.1,
    "gate_offset": 0.0,
    "regularizer": 1e-5,
    "rise": 0.0,
}
_RANDOM_LR = {"cifar10": 0.2, "cifar100": 0.2}
_TWIN_RATE, _RANDOM_RATE = 30.0, 100.0
"""Peak rate of the latents over their spread. From the weights of a twin fewer signs need to change."""
RECIPE_NAMES = ("default", "random", "paper")


def choose_recipe(data: str, method: str = "s3", name: str = "default", **changes: Any) -> Recipe:
    """Return the settings for a data set and a weight method.

    Parameters
    ----------
    data, method : str
        What is trained.
    name : str
        ``"default"``; ``"random"`` for a random start without a teacher; ``"paper"`` for S3's published settings.
    changes
        Fields that replace the chosen ones; ``None`` keeps a field.

    Raises
    ------
    ValueError
        If the recipe or a field is unknown.
    """
    if name not in RECIPE_NAMES:
        raise ValueError(f"recipe {name!r} is unknown, supported are {', '.join(RECIPE_NAMES)}")
    names = [field.name for field in fields(Recipe)]
    unknown = set(changes) - set(names)
    if unknown:
        raise ValueError(f"recipe field {min(unknown)!r} is unknown, supported are {', '.join(names)}")
    settings = {**_DATA.get(data, {"epochs": 30, "batch": 128}), **_METHOD.get(method, {})}
    if name == "random" or method == "float":
        settings.update(_RANDOM)
    elif name == "paper":
        settings.update(_PAPER)
        # 0 is S3's published spread; DenseShift, which has none for it, keeps its own.
        settings.setdefault("latent_std", 0.0)
    settings.update({key: value for key, value in changes.items() if value is not None})
    twin = settings.get("from_twin", False)
    if twin and method == "s3":
        # From a twin's weights, rounding them in small steps beats letting their codes' bits go their own ways.
        settings.setdefault("tied", True)
    settings.setdefault("lr", Recipe.lr if twin else _RANDOM_LR.get(data, Recipe.lr))
    rate = _TWIN_RATE if twin else _RANDOM_RATE
    settings.setdefault("latent_lr", rate * settings.get("latent_std", Recipe.latent_std))
    return Recipe(**settings)
