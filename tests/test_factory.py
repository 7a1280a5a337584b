"""One session behind all managers: what it keeps, what it ignores, how it ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from networkpype import (
    Auth,
    ConnectionManagersFactory,
    ConnectionsFactory,
    RESTManager,
    RESTRequest,
    TimeSynchronizer,
    WebSocketManager,
    WebSocketRequest,
    __version__,
)
from networkpype.testing import MockExchange
from tests.support.raw_server import RawServer, answer, answering
from tests.support.signing import LIMIT_ID, HeaderHmac, free_throttler, rest_manager

SET_COOKIES = ["Set-Cookie: session=abc; Path=/", "Set-Cookie: b=2; Max-Age=99999"]


def headers_of(request: bytes) -> dict[str, str]:
    lines = request.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    return {
        name.lower(): value.strip() for name, _, value in (each.partition(":") for each in lines)
    }


def by_name(server: RawServer) -> str:
    """Write the URL with a name, for no cookie of a bare address is ever stored."""
    return server.url.replace("127.0.0.1", "localhost")


async def test_all_managers_share_one_session_throttler_and_auth() -> None:
    throttler, auth = free_throttler(), HeaderHmac("key", "secret")
    async with (
        RawServer(answering(answer())) as server,
        ConnectionManagersFactory(throttler, auth) as factory,
    ):
        for _ in range(3):
            manager = await factory.get_rest_manager()
            assert isinstance(manager, RESTManager)
            await manager.execute_request(server.url, LIMIT_ID, is_auth_required=True)
        assert isinstance(await factory.get_ws_manager(), WebSocketManager)
        assert (server.connections, len(server.requests)) == (1, 3)
        assert headers_of(server.requests[2])["x-api-key"] == "key"
    assert factory.throttler is throttler
    assert factory.auth is auth
    assert factory.time_synchronizer is None


async def test_the_auth_gets_the_factorys_clock_only_where_it_has_none() -> None:
    clock, own = TimeSynchronizer(), TimeSynchronizer()
    without, with_own = HeaderHmac("k", "s"), HeaderHmac("k", "s")
    Auth.__init__(with_own, own)
    for auth in (without, with_own):
        factory = ConnectionManagersFactory(free_throttler(), auth, time_synchronizer=clock)
        assert factory.time_synchronizer is clock
    assert without.time_provider is clock
    assert with_own.time_provider is own


async def test_a_signature_carries_the_factorys_clock() -> None:
    async with MockExchange(limits=(), clock_skew_s=3600.0) as exchange:
        clock = TimeSynchronizer()
        clock.add_time_offset_ms_sample(3_600_000)
        auth = HeaderHmac(exchange.api_key, exchange.api_secret)
        url = f"{exchange.url}/v1/account"
        async with rest_manager(auth, time_synchronizer=clock) as manager:
            account = await manager.execute_request(url, LIMIT_ID, is_auth_required=True)
        assert account["openOrders"] == 0


async def test_an_auth_that_never_called_its_base_class_gets_the_clock_too() -> None:
    class Bare(Auth):
        def __init__(self) -> None:
            """Forget super().__init__()."""

        async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
            return request

        async def ws_authenticate(self, request: WebSocketRequest) -> WebSocketRequest:
            return request

    clock, auth = TimeSynchronizer(), Bare()
    ConnectionManagersFactory(free_throttler(), auth, time_synchronizer=clock)
    assert auth.time_provider is clock


async def test_a_servers_cookies_are_not_stored() -> None:
    raw = answer(b"{}", "200 OK", *SET_COOKIES)
    async with RawServer(answering(raw)) as server, rest_manager() as manager:
        for _ in range(2):
            await manager.execute_request(by_name(server), LIMIT_ID)
        assert all("cookie" not in headers_of(each) for each in server.requests)


async def test_a_servers_cookies_are_stored_where_that_is_asked_for() -> None:
    raw = answer(b"{}", "200 OK", *SET_COOKIES)
    connections = ConnectionsFactory(store_cookies=True)
    async with (
        RawServer(answering(raw)) as server,
        rest_manager(connections_factory=connections) as manager,
    ):
        for _ in range(2):
            await manager.execute_request(by_name(server), LIMIT_ID)
        stored = headers_of(server.requests[1])["cookie"].split("; ")
        assert sorted(stored) == ["b=2", "session=abc"]


@pytest.mark.parametrize("cookies", [{"mine": "1"}, [("mine", "1")]])
async def test_the_users_own_cookies_are_sent_and_the_servers_do_not_replace_them(
    cookies: Any,
) -> None:
    raw = answer(b"{}", "200 OK", "Set-Cookie: mine=stolen; Path=/", *SET_COOKIES)
    async with (
        RawServer(answering(raw)) as server,
        ConnectionManagersFactory(free_throttler()) as factory,
    ):
        await factory.update_cookies(cookies)
        manager = await factory.get_rest_manager()
        for _ in range(2):
            await manager.execute_request(by_name(server), LIMIT_ID)
        assert [headers_of(each)["cookie"] for each in server.requests] == ["mine=1", "mine=1"]


@pytest.mark.parametrize("trust_env", [False, True])
async def test_the_environments_proxy_is_used_only_where_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, trust_env: bool
) -> None:
    connections = ConnectionsFactory(trust_env=trust_env)
    async with (
        RawServer(answering(answer(b'"exchange"'))) as server,
        RawServer(answering(answer(b'"proxy"'))) as proxy,
        rest_manager(connections_factory=connections) as manager,
    ):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        answered = await manager.execute_request(server.url, LIMIT_ID)
        assert answered == ("proxy" if trust_env else "exchange")
        assert len(proxy.requests) == int(trust_env)


async def test_the_netrc_of_the_machine_is_not_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with RawServer(answering(answer())) as server, rest_manager() as manager:
        await manager.execute_request(server.url, LIMIT_ID)
        headers = headers_of(server.requests[0])
    assert "authorization" not in headers
    assert headers["user-agent"] == f"networkpype/{__version__}"


async def test_close_may_be_repeated_and_the_next_use_opens_a_new_session() -> None:
    factory = ConnectionManagersFactory(free_throttler())
    await factory.close()
    async with RawServer(answering(answer(b"1"))) as server:
        for connections in (1, 2):
            manager = await factory.get_rest_manager()
            assert await manager.execute_request(server.url, LIMIT_ID) == 1
            assert server.connections == connections
            await asyncio.gather(factory.close(), factory.close())
            await factory.close()


async def test_managers_that_are_asked_for_at_once_share_the_session() -> None:
    async with (
        RawServer(answering(answer(b"1"))) as server,
        ConnectionManagersFactory(free_throttler()) as factory,
    ):
        managers = await asyncio.gather(*(factory.get_rest_manager() for _ in range(5)))
        for manager in managers:
            await manager.execute_request(server.url, LIMIT_ID)
        assert server.connections == 1


async def test_leaving_the_block_closes_the_sockets_even_after_an_error() -> None:
    async def play(peer: Any) -> None:
        await peer.request()
        await peer.send(answer())
        await peer.silence()

    async def use_and_fail(url: str) -> None:
        async with ConnectionManagersFactory(free_throttler()) as factory:
            await (await factory.get_rest_manager()).execute_request(url, LIMIT_ID)
            raise ZeroDivisionError

    async with RawServer(play) as server:
        with pytest.raises(ZeroDivisionError):
            await use_and_fail(server.url)
        await server.until(lambda: server.hang_ups == 1)


async def test_a_connections_factory_stands_alone_as_in_1_1_5() -> None:
    connections = ConnectionsFactory()
    async with RawServer(answering(answer(b'"alone"'))) as server:
        connection = await connections.get_rest_connection()
        response = await connection.call(RESTRequest("GET", server.url))  # type: ignore[arg-type]
        assert await response.json() == "alone"
        await connections.update_cookies({"a": "1"})
        await connection.call(RESTRequest("get", server.url), encoded=True)  # type: ignore[arg-type]
        assert headers_of(server.requests[1])["cookie"] == "a=1"
        await connections.close()


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]


async def test_one_that_is_used_after_its_close_is_warned_of_in_the_users_terms(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with RawServer(answering(answer())) as server:
        async with ConnectionManagersFactory(free_throttler()) as factory:
            await factory.get_rest_manager()
        async with factory:  # anew, as is meant
            manager = await factory.get_rest_manager()
            await manager.execute_request(server.url, LIMIT_ID)
        assert warnings_of(caplog) == []
        manager = await factory.get_rest_manager()
        await manager.execute_request(server.url, LIMIT_ID)
        await factory.close()
    (said,) = warnings_of(caplog)
    assert said.startswith("a ConnectionManagersFactory (or its ConnectionsFactory) is used after")
    assert "enter it again with `async with`" in said
