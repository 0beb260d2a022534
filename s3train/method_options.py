"""What a recipe says of a weight method's start."""

from __future__ import annotations

import inspect
from typing import Any

from s3train.formats import UnsupportedModelError
from s3train.recipe import Recipe, choose_recipe
from s3train.reparam import METHODS


def method_options(method: str, recipe: str | Recipe, given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the method and its options: what is given, else what the recipe has.

    Parameters
    ----------
    method : str
        One of :data:`s3train.reparam.METHODS`; ``s3`` becomes ``s3_tied`` where the recipe ties the latents.
    recipe : str or Recipe
        Name of a recipe, or its settings. Of them ``latent_std``, ``gate_offset``, ``root``, ``tied`` and
        ``learned_spread`` count.
    given : dict
        Options of the method. ``from_weights`` is one of every method: those without it always start from the weights.

    Raises
    ------
    UnsupportedModelError
        If the method has no such option.
    """
    if isinstance(recipe, str):
        recipe = choose_recipe("", method, recipe)
    if method == "s3" and recipe.tied:
        method = "s3_tied"
    if method not in METHODS:
        return method, given
    known = [p.name for p in inspect.signature(METHODS[method]).parameters.values() if p.kind is p.KEYWORD_ONLY]
    unknown = sorted(given.keys() - {*known, "from_weights"})
    if unknown:
        supported = f"supported are {', '.join(known)}" if known else "it has none"
        raise UnsupportedModelError(f"weight method {method} has no option {unknown[0]!r}, {supported}")
    usual = {
        "std": recipe.latent_std,
        "gate_offset": recipe.gate_offset,
        "root": recipe.root,
        "learned_spread": recipe.learned_spread,
    }
    options = {**usual, **given}
    return method, {name: value for name, value in options.items() if name in known}
