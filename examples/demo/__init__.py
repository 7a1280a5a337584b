"""``make demo``: connectors trade on mock exchanges that fail them in every way."""
