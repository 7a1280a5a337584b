"""The public documentation of networkpype 1.1.5 runs as it is written, and the exchange accepts it.

A program of the page is a run of lines of which none is prose, and prose is what begins with a
capital letter at the margin. The names that the page leaves out come from the prelude below.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
from pathlib import Path
from typing import Any

import pytest

from networkpype.testing import MockExchange
from tests.support.example_host import API_KEY, API_SECRET
from tests.testing.caller import login_frame

PAGE = Path(__file__).parent / "data" / "networkpype-authentication.md"

PRELUDE = """
from networkpype import RESTMethod
manager = await factory.get_rest_manager()
ws_manager = await factory.get_ws_manager()
await ws_manager.connect("wss://api.example.com/ws")
"""

API_KEY_FACTORY = f"""
factory = ConnectionManagersFactory(
    throttler=AsyncThrottler(
        rate_limits=[RateLimit(limit_id="default", limit=10, time_interval=1.0)]
    ),
    auth=ApiKeyAuth({API_KEY!r}),
)
"""


def programs() -> list[str]:
    found: list[list[str]] = [[]]
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line[:1].isupper():
            found.append([])
        else:
            found[-1].append(line)
    return [text for lines in found if (text := "\n".join(lines).strip())]


async def run(program: str, namespace: dict[str, Any]) -> None:
    code = compile(program, str(PAGE), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(code, namespace)
    if inspect.isawaitable(result):
        await result


def test_the_page_holds_seven_programs() -> None:
    assert [text.splitlines()[0] for text in programs()] == [
        "from networkpype.auth import Auth",
        "from networkpype.auth import Auth",
        "import hashlib",
        "from networkpype.factory import ConnectionManagersFactory",
        "# Public endpoint — no auth",
        "from networkpype.websocket.request import WebSocketJSONRequest",
        "class MyAuth(Auth):",
    ]
    assert PAGE.read_text(encoding="utf-8").count("await ") == sum(
        text.count("await ") for text in programs()
    )


@pytest.mark.parametrize("auth", ["HmacAuth", "ApiKeyAuth"])
async def test_every_program_runs_and_is_accepted(example_host: MockExchange, auth: str) -> None:
    interface, api_key, hmac, register, calls, messages, clock = programs()
    namespace: dict[str, Any] = {}
    for definition in (interface, api_key, hmac, clock, register):
        await run(definition, namespace)
    if auth == "ApiKeyAuth":
        await run(API_KEY_FACTORY, namespace)
    assert type(namespace["factory"].auth).__name__ == auth

    await run(PRELUDE, namespace)
    try:
        await run(calls, namespace)
        await log_in(example_host, namespace)
        await run(messages, namespace)
        replies = await replies_to(namespace, 2)
    finally:
        await namespace["factory"].close()

    upgrade, ticker, account = example_host.received
    assert (upgrade.path, upgrade.status) == ("/ws", 101)
    assert (ticker.path, ticker.status, ticker.raw_query) == ("/v1/ticker", 200, "")
    assert "X-API-KEY" not in ticker.headers
    assert (account.path, account.status, account.refusal) == ("/v1/account", 200, None)
    assert account.headers["X-API-KEY"] == API_KEY
    signed = [pair.partition("=")[0] for pair in account.raw_query.split("&")]
    assert signed == (["timestamp", "signature"] if auth == "HmacAuth" else [""])
    assert namespace["account"]["openOrders"] == 0
    assert namespace["data"][0]["symbol"] == "BTCUSDT"

    assert [frame.data for frame in example_host.ws_received[1:]] == [
        '{"method":"SUBSCRIBE","params":["btcusdt@trade"]}',
        '{"method":"SUBSCRIBE","params":["account.update"]}',
    ]
    assert replies == [{"result": None, "id": None}] * 2


async def log_in(exchange: MockExchange, namespace: dict[str, Any]) -> None:
    """Do what the page leaves to each exchange's own rules."""
    request = namespace["WebSocketJSONRequest"](login_frame(exchange))
    await namespace["ws_manager"].send(request)
    (reply,) = await replies_to(namespace, 1)
    assert reply["status"] == "success"


async def replies_to(namespace: dict[str, Any], count: int) -> list[Any]:
    """Return the next replies; trades, which come by themselves, are passed over."""
    replies: list[Any] = []
    async with asyncio.timeout(2):
        while len(replies) < count:
            data = (await namespace["ws_manager"].receive()).data
            if "stream" not in data:
                replies.append(data)
    return replies


async def test_an_exchange_with_another_secret_does_not_accept_it(
    example_host: MockExchange,
) -> None:
    """What the test above asserts can fail."""
    namespace: dict[str, Any] = {}
    hmac, register, calls = programs()[2:5]
    await run(hmac, namespace)
    await run(register.replace(API_SECRET, "another-secret"), namespace)
    await run(PRELUDE, namespace)
    try:
        with pytest.raises(OSError, match="signature does not match"):
            await run(calls, namespace)
    finally:
        await namespace["factory"].close()
