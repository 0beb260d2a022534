"""Writes ``own_model.ipynb``: every numbered comment of ``own_model.py`` is a heading, what follows is a cell."""

import json
import re
from pathlib import Path

HERE = Path(__file__).parent


def notebook(script: str) -> str:
    """Return the notebook of a script."""
    _, docstring, body = script.split('"""', 2)
    title = docstring.splitlines()[0].split(":")[0]
    imports, *parts = re.split(r"^# (\d+\. .*)\n", body, flags=re.MULTILINE)
    cells = [text(f"# {title}"), code(imports)]
    for heading, block in zip(parts[::2], parts[1::2], strict=True):
        cells += [text(f"## {heading}"), code(block)]
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    document = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    for i, cell in enumerate(cells):
        cell["id"] = f"cell{i}"
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def text(source: str) -> dict[str, object]:
    """Return a cell of Markdown."""
    return {"cell_type": "markdown", "metadata": {}, "source": lines(source)}


def code(source: str) -> dict[str, object]:
    """Return a cell of Python."""
    return {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [], "source": lines(source)}


def lines(source: str) -> list[str]:
    """Return the lines as notebooks keep them."""
    return source.strip().splitlines(keepends=True)


if __name__ == "__main__":
    (HERE / "own_model.ipynb").write_text(notebook((HERE / "own_model.py").read_text()))
