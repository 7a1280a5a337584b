"""What a hard reviewer broke: money, capacity and secrets where two features meet."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import aiohttp
import pytest

from networkpype import (
    AsyncThrottler,
    Auth,
    ConfigurationError,
    ConnectFailedError,
    ConnectionManagersFactory,
    ConnectionsFactory,
    HTTPStatusError,
    LinkedLimitWeightPair,
    MissingCredentialsError,
    NetworkpypeError,
    NotConnectedError,
    Outcome,
    RateLimit,
    RequestTimeoutError,
    RESTConnection,
    RESTManager,
    RESTMethod,
    RESTPostProcessor,
    RESTPreProcessor,
    RESTRequest,
    RESTResponse,
    TimeSynchronizer,
    TimeSynchronizerRESTPreProcessor,
    WebSocketRequest,
)
from networkpype.testing import MockExchange
from tests.support.raw_server import Peer, RawServer, answer
from tests.support.signing import LIMIT_ID, HeaderHmac, rest_manager


class Follow(RESTPostProcessor):
    """Do something with an answer that goes wrong."""

    def __init__(self, error: Exception | None = None, seconds: float = 0.0) -> None:
        self.error, self.seconds = error, seconds

    async def post_process(self, response: RESTResponse) -> RESTResponse:
        await asyncio.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        return None  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("processor", "error"),
    [
        (Follow(ConnectFailedError("its own call failed")), ConnectFailedError),
        (Follow(NotConnectedError("its socket is closed")), NotConnectedError),
        (Follow(type("Venue", (NetworkpypeError,), {})("-1007")), NetworkpypeError),
        (Follow(), ConfigurationError),
        (Follow(seconds=9), RequestTimeoutError),
    ],
    ids=["a failed call", "a closed socket", "the user's own", "None", "too late"],
)
async def test_what_fails_after_the_answer_is_never_not_sent(
    processor: Follow, error: type[NetworkpypeError]
) -> None:
    async with (
        MockExchange() as exchange,
        rest_manager(rest_post_processors=[processor]) as manager,
    ):
        with pytest.raises(error) as caught:
            await manager.execute_request(f"{exchange.url}/v1/time", LIMIT_ID, timeout=0.3)
        assert caught.value.outcome is Outcome.UNKNOWN
        assert exchange.status_counts == {200: 1}


async def test_a_burst_that_fills_the_limit_still_reads_the_time_through_it() -> None:
    """The calls hold the whole limit while they wait for a call that needs it too."""
    async with MockExchange() as exchange:
        clock = TimeSynchronizer()
        ip = LinkedLimitWeightPair("ip")
        throttler = AsyncThrottler(
            [RateLimit("ip", 10, 0.3), RateLimit("call", 99, 1, linked_limits=[ip])],
            safety_margin_pct=0,
        )

        async def server_time() -> float:
            answered = await manager.execute_request(f"{exchange.url}/v1/time", "call")
            return float(answered["serverTime"])

        async with ConnectionManagersFactory(
            throttler, None, [TimeSynchronizerRESTPreProcessor(clock, server_time)]
        ) as factory:
            manager = await factory.get_rest_manager()
            async with asyncio.timeout(4):
                await asyncio.gather(
                    *(manager.execute_request(f"{exchange.url}/v1/time", "call") for _ in range(10))
                )
        assert clock.initialized


class Anew(RESTPreProcessor):
    """Build another request, as the contract allows, and forget that it is private."""

    async def pre_process(self, request: RESTRequest) -> RESTRequest:
        return RESTRequest(request.method, url=request.url, params={"added": 1})


async def test_a_private_request_stays_private_whatever_a_processor_builds() -> None:
    async with MockExchange() as exchange:
        auth = HeaderHmac(exchange.api_key, exchange.api_secret)
        async with rest_manager(auth=auth, rest_pre_processors=[Anew()]) as manager:
            await manager.execute_request(
                f"{exchange.url}/v1/echo/x", LIMIT_ID, is_auth_required=True
            )
        assert "X-SIGNATURE" in exchange.received[0].headers


async def test_a_server_that_talks_first_is_not_dialed_for_ever() -> None:
    async def banner(peer: Peer) -> None:
        await peer.send(answer(b"busy", "503 Service Unavailable", "Content-Length: 4"))
        await peer.silence()

    class Slow(aiohttp.TCPConnector):
        async def connect(self, *args: object, **kwargs: object) -> aiohttp.connector.Connection:
            connection = await super().connect(*args, **kwargs)  # type: ignore[arg-type]
            await asyncio.sleep(0.02)  # by now its bytes are here
            return connection

    async with (
        RawServer(banner) as server,
        aiohttp.ClientSession(connector=Slow()) as session,
    ):
        connection = RESTConnection(session)
        with pytest.raises(ConnectFailedError, match="talks before it is asked") as caught:
            await connection.call(RESTRequest(RESTMethod.POST, url=server.url, data={}), timeout=2)
        assert caught.value.outcome is Outcome.NOT_SENT
        assert server.connections == 3


async def test_a_session_that_closes_cancels_nobody() -> None:
    async def answer_never(peer: Peer) -> None:
        await peer.request()
        await peer.silence()

    connections = ConnectionsFactory(max_connections=1)
    async with RawServer(answer_never) as server:
        factory = ConnectionManagersFactory(
            AsyncThrottler([RateLimit(LIMIT_ID, 99, 1)]), connections_factory=connections
        )
        manager = await factory.get_rest_manager()
        calls = [
            asyncio.create_task(manager.execute_request(server.url, LIMIT_ID)) for _ in range(3)
        ]
        await server.until(lambda: len(server.requests) == 1)
        await factory.close()
        ends = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(end) for end in ends] == [NotConnectedError] * 3
    assert [end.outcome for end in ends if isinstance(end, NotConnectedError)] == [
        Outcome.UNKNOWN,
        Outcome.NOT_SENT,
        Outcome.NOT_SENT,
    ]


@dataclass
class ShowyAuth(Auth):
    secret: str

    async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
        return request

    async def ws_authenticate(self, request: WebSocketRequest) -> WebSocketRequest:
        return request


@dataclass
class ShowyRequest(RESTRequest):
    token: str = "CANARY-SECRET"


async def test_a_dataclass_of_the_users_is_never_printed() -> None:
    auth = ShowyAuth("CANARY-SECRET")
    async with rest_manager(auth=auth) as manager, rest_manager() as public:
        shown = repr(manager)
        factory = ConnectionManagersFactory(AsyncThrottler([]), auth)
        shown += repr(factory)
        request = ShowyRequest(RESTMethod.GET, url="http://127.0.0.1:1/", is_auth_required=True)
        with pytest.raises(MissingCredentialsError) as caught:
            await public.call(request)
        shown += str(caught.value)
    assert "ShowyAuth" in shown
    assert "CANARY" not in shown


async def test_a_session_that_raises_for_status_changes_nothing() -> None:
    async with MockExchange() as exchange, aiohttp.ClientSession(raise_for_status=True) as session:
        throttler = AsyncThrottler([RateLimit(LIMIT_ID, 99, 1)])
        manager = RESTManager(RESTConnection(session), throttler)
        with pytest.raises(HTTPStatusError) as caught:
            await manager.execute_request(f"{exchange.url}/v1/nothing", LIMIT_ID)
        assert caught.value.outcome is Outcome.REJECTED


async def test_a_throttler_that_says_anew_what_a_task_is_is_entered() -> None:
    entered: list[str] = []

    class Gate(AsyncThrottler):
        def execute_task(self, limit_id: str):  # type: ignore[no-untyped-def,override]
            entered.append(limit_id)
            return super().execute_task(limit_id)

    async with MockExchange() as exchange:
        gate = Gate([RateLimit("a", 9, 1)])
        async with ConnectionManagersFactory(gate) as factory:
            rest = await factory.get_rest_manager()
            await rest.execute_request(f"{exchange.url}/v1/time", "a")
    assert entered == ["a"]
