"""The file of results: every part is one key, and a part that is measured again replaces only itself."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

RESULTS = Path("bench/results/verification.json")


def record(part: str, value: Any, path: Path = RESULTS) -> None:
    """Put one part's figures into the file; the others stay as they are, and the file is never half-written."""
    results = json.loads(path.read_text()) if path.exists() else {}
    results[part] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n")
    os.replace(temporary, path)
