"""`https://api.example.com`, answered by a mock exchange on this machine.

The documentation is written for one address, key and secret, and runs as it is written: within
the fixture `example_host` the name resolves to a `MockExchange` on loopback, whose certificate
aiohttp's default (verifying) context trusts. Every other name is refused: no test that uses the
fixture leaves the machine.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
import pytest
import trustme
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

if TYPE_CHECKING:
    from networkpype.testing import MockExchange

HOST = "api.example.com"
API_KEY = "your-api-key"
API_SECRET = "your-api-secret"


@dataclass(frozen=True)
class ExampleTLS:
    """The two ends of a TLS connection to `HOST`; nobody else trusts the authority behind them."""

    server: ssl.SSLContext
    client: ssl.SSLContext


@pytest.fixture(scope="session")
def example_tls() -> ExampleTLS:
    """Issue a certificate for `HOST` and for the loopback names."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST, "localhost", "127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    client.set_alpn_protocols(("http/1.1",))
    return ExampleTLS(server=server, client=client)


@pytest.fixture
async def example_host(
    monkeypatch: pytest.MonkeyPatch, example_tls: ExampleTLS
) -> AsyncIterator[MockExchange]:
    """Serve `https://HOST` and `wss://HOST/ws` from a mock exchange that knows the docs' key."""
    # Here and not above: the tests of the rooms below shall run where `testing` cannot.
    from networkpype.testing import MockExchange

    exchange = MockExchange(api_key=API_KEY, api_secret=API_SECRET, ssl_context=example_tls.server)
    async with exchange:
        port = URL(str(exchange.url)).port
        assert port is not None
        route_example_host(monkeypatch, port, example_tls.client)
        yield exchange


def route_example_host(
    monkeypatch: pytest.MonkeyPatch, port: int, client_context: ssl.SSLContext
) -> None:
    """Let aiohttp find `HOST` port 443 at the given loopback port, and refuse every other name."""
    resolver: type[AbstractResolver] = aiohttp.DefaultResolver
    resolve_as_usual = resolver.resolve

    async def resolve(
        self: AbstractResolver,
        host: str,
        wanted_port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,
    ) -> list[ResolveResult]:
        if _is_loopback(host):
            return await resolve_as_usual(self, host, wanted_port, family)
        if (host, wanted_port) != (HOST, 443):
            message = f"{host}:{wanted_port} is not on this machine; use https://{HOST}"
            raise socket.gaierror(socket.EAI_NONAME, message)
        return [
            ResolveResult(
                hostname=host,
                host="127.0.0.1",
                port=port,  # the connector dials what the resolver returns, not what the URL says
                family=socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    monkeypatch.setattr(resolver, "resolve", resolve)
    # aiohttp makes its default context at import, before any environment variable could be set.
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", client_context)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
