"""``python -m networkpype`` and the ``networkpype`` command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial

from networkpype import __version__
from networkpype.cli import demo as demo_of_the_source
from networkpype.cli import sign


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the result is the exit code."""
    parser = argparse.ArgumentParser(
        prog="networkpype", description="The connection layer under an exchange connector."
    )
    parser.add_argument("--version", action="version", version=f"networkpype {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser(
        "demo",
        help="trade on mock exchanges that fail on purpose, and check every promise",
    )
    demo.add_argument("--plain", action="store_true", help="plain lines instead of the live screen")
    sign.add_to(commands)
    options = parser.parse_args(arguments)
    if options.command == "sign":
        return _piped(partial(sign.main, options))
    try:
        return demo_of_the_source.main(plain=options.plain)
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted\n")
        return 130


def _piped(command: Callable[[], int]) -> int:
    """Run a command whose reader may leave early, as `head` does."""
    try:
        code = command()
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes once more at its end (docs.python.org, "Note on SIGPIPE").
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
