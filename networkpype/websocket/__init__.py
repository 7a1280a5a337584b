"""WebSocket: requests, decoding, one connection and the manager that orders the steps."""
