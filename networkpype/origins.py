"""Scheme and host: where a signature or a login may go."""

from __future__ import annotations

import ipaddress

from networkpype.errors import ConfigurationError
from networkpype.wire import WireURL, split_url

__all__ = ["check_origin", "is_loopback", "origin_of"]


def origin_of(url: WireURL) -> str:
    """Return scheme and host; a WebSocket's counts as that of its HTTP upgrade."""
    scheme = {"wss": "https", "ws": "http"}.get(url.scheme, url.scheme)
    return f"{scheme}://{url.host}"


def check_origin(text: str) -> str:
    """Return the origin as `origin_of` writes it; ValueError for what is none, or not safe."""
    try:
        url = split_url(text)
    except ConfigurationError as error:
        raise ValueError(str(error)) from None
    if url.path != "/" or url.query:
        raise ValueError("an origin is scheme and host, without a path")
    if url.scheme in ("http", "ws") and not is_loopback(url.host):
        raise ValueError("http:// would show the signature to the network; use https://")
    return origin_of(url)


def is_loopback(host: str) -> bool:
    """Tell whether a host, with a port or without, is this machine: nobody listens in between."""
    name = host.partition("]")[0].removeprefix("[") if host[0] == "[" else host.partition(":")[0]
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
