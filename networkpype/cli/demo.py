"""``networkpype demo``: play the demo of the source tree, where that is at hand."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

__all__ = ["main"]

ROOT = Path(__file__).resolve().parents[2]
"""Of the source tree; of nothing in particular where the package was installed without it."""


def main(*, plain: bool = False) -> int:
    """Play it; return 0 if every promise was kept, 1 if one broke, 2 where it is not here."""
    if not (ROOT / "examples" / "demo" / "run.py").is_file():
        sys.stderr.write(
            "The demo runs the example connectors, which are in the source tree and not in the "
            "package: get the source, and run `make demo` in it.\n"
        )
        return 2
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    played: int = importlib.import_module("examples.demo.run").main(plain=plain)
    return played
