"""``python -m networkpype`` and the ``networkpype`` command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from networkpype import __version__
from networkpype.cli import sign
from networkpype.cli.demo import run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the result is the exit code."""
    parser = argparse.ArgumentParser(
        prog="networkpype", description="The connection layer under an exchange connector."
    )
    parser.add_argument("--version", action="version", version=f"networkpype {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser(
        "demo", help="trade on a mock exchange on loopback and check every promise, in 20 s"
    )
    demo.add_argument("--plain", action="store_true", help="plain lines instead of the live screen")
    sign.add_to(commands)
    options = parser.parse_args(arguments)
    if options.command == "sign":
        return sign.main(options)
    try:
        return run.main(plain=options.plain)
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
