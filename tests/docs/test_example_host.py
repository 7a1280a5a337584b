"""The address that the documentation is written for is served, and no other is."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from networkpype.testing import MockExchange
from tests.support.code_blocks import run_page
from tests.support.example_host import API_KEY, API_SECRET, HOST


async def test_the_example_host_is_the_mock_exchange_over_verified_tls(
    example_host: MockExchange,
) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"https://{HOST}/x?a=1") as answer:
        await answer.read()
    [received] = example_host.received
    assert (received.method, received.headers["Host"]) == ("GET", HOST)
    assert (example_host.api_key, example_host.api_secret) == (API_KEY, API_SECRET)


async def test_the_example_host_has_a_websocket(example_host: MockExchange) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"wss://{HOST}/ws"),
    ):
        await example_host.until(lambda: example_host.websockets == 1)


@pytest.mark.usefixtures("example_host")
@pytest.mark.parametrize(
    "url", ["https://example.com/", f"http://{HOST}/", f"https://{HOST}:8443/"]
)
async def test_every_other_address_is_refused(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError, match="not on this machine"):
            await session.get(url)


async def test_nobody_trusts_the_certificate_without_the_fixture(
    example_host: MockExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.get(example_host.url)


async def test_a_page_reaches_the_exchange_from_its_own_loop(
    example_host: MockExchange, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        f"""\
```python
import aiohttp

async with aiohttp.ClientSession() as session:
    await session.get("https://{HOST}/from-a-page")
```
""",
        encoding="utf-8",
    )
    await asyncio.to_thread(run_page, page)
    assert [received.path for received in example_host.received] == ["/from-a-page"]
