"""How a WebSocket logs in: one family of exchanges a module, each exchange mere data."""
