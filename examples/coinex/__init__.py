"""A connector of CoinEx's spot market: ``python -m examples.coinex`` shows it at work."""
