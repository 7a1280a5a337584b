"""The command line: ``python -m networkpype``."""
