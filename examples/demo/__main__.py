"""``python -m examples.demo``, which is ``make demo``."""

from __future__ import annotations

import argparse
import sys

from examples.demo import run


def main() -> int:
    """Read the arguments and play; the result is the exit code."""
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description=__doc__)
    parser.add_argument(
        "--plain", action="store_true", help="plain lines instead of the live screen"
    )
    options = parser.parse_args()
    try:
        return run.main(plain=options.plain)
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
