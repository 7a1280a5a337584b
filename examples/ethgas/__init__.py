"""A connector of ETHGas: ``python -m examples.ethgas`` shows it at work."""
