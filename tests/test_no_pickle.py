"""Nothing that is read can run code: no pickle, no evaluation of text, in any package."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("hw", "s3train", "sim", "bitstreams", "cli", "bench")
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
NEEDED = {
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
}
UNSAFE_YAML = {"load", "load_all", "unsafe_load", "full_load", "unsafe_load_all", "full_load_all"}


def findings(source):
    """Return (line, what) of everything in a module's text that could unpickle or evaluate what it reads."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            found += [(node.lineno, name) for name in names if name.split(".")[0] in FORBIDDEN_MODULES]
            if isinstance(node, ast.ImportFrom) and node.module in ("torch", "numpy", "yaml"):
                found += [(node.lineno, "load") for alias in node.names if "load" in alias.name]
        if isinstance(node, ast.Attribute) and node.attr in ("read_pickle", "allow_pickle", "Unpickler"):
            found.append((node.lineno, node.attr))
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        if name in FORBIDDEN_CALLS or (name.removeprefix("yaml.") in UNSAFE_YAML and name.startswith("yaml.")):
            found.append((node.lineno, name))
        if name in NEEDED:
            keyword, value = NEEDED[name]
            given = {k.arg: k.value for k in node.keywords}.get(keyword)
            if not (isinstance(given, ast.Constant) and given.value is value):
                found.append((node.lineno, f"{name} without {keyword}={value}"))
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_no_package_unpickles_or_evaluates_what_it_reads(package):
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    assert {str(file): found for file in files if (found := findings(file.read_text()))} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text)",
        "yaml.unsafe_load(text)",
        "from torch import load",
        "eval(text)",
        "exec(text)",
        "pandas.read_pickle(path)",
    ],
)
def test_the_search_finds(source):
    assert findings(source)


def test_lightning_loads_weights_only():
    """Its own way to load a checkpoint is told so where the trainer begins."""
    calls = [
        node
        for node in ast.walk(ast.parse((ROOT / "s3train" / "fit.py").read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "trainer.fit"
    ]
    assert len(calls) == 1
    assert {k.arg: ast.unparse(k.value) for k in calls[0].keywords}["weights_only"] == "True"
