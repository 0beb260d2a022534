"""The examples run, and the notebook is the script."""

import json
import re
import runpy
import sys
from pathlib import Path

SCRIPT, NOTEBOOK = Path("examples/own_model.py"), Path("examples/own_model.ipynb")


def test_somebodys_model_goes_all_the_way_to_the_gateware(monkeypatch, tmp_path, capsys):
    script = SCRIPT.resolve()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(script), "--no-bitstream"])
    runpy.run_path(str(script), run_name="__main__")
    said = capsys.readouterr().out
    assert "it builds for ulx3s_85f" in said and "gateware: 10 of 10 images equal, 18,350 numbers" in said
    accuracies = [float(number) for number in re.findall(r"([\d.]+)%$", said, re.MULTILINE)]
    # Sums in another order train another network; these are far below what any has reached.
    assert len(accuracies) == 2 and min(accuracies) > 85


def test_the_notebook_is_the_script():
    wanted = runpy.run_path("examples/notebook.py")["notebook"](SCRIPT.read_text())
    assert NOTEBOOK.read_text() == wanted
    cells = json.loads(wanted)["cells"]
    joined = "".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    body = re.sub(r"^# \d+\. .*\n", "", SCRIPT.read_text().split('"""', 2)[2], flags=re.MULTILINE)
    assert re.sub(r"\s", "", joined) == re.sub(r"\s", "", body)
