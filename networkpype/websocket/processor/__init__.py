"""Hooks that rewrite an outgoing WebSocket request or an incoming message."""
