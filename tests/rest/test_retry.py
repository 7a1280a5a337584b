"""What is sent again, and what never: counted at the server."""

from __future__ import annotations

import asyncio
import math
import socket
from typing import Any

import pytest

from networkpype import (
    AsyncThrottler,
    ConfigurationError,
    ConnectFailedError,
    ConnectionManagersFactory,
    Event,
    HTTPStatusError,
    NetworkpypeError,
    Outcome,
    RateLimit,
    RequestFinished,
    RequestTimeoutError,
    RESTMethod,
    RESTPreProcessor,
    RESTRequest,
    RetryScheduled,
    ThrottleTimeoutError,
    TransportError,
)
from networkpype.retry import RetryBudget, RetryPolicy
from networkpype.throttler.kinds import Priority
from tests.support.raw_server import Peer, RawServer, answer, answering
from tests.support.retrying import GONE, OK, answers, hits, policy
from tests.support.signing import LIMIT_ID, HeaderHmac, rest_manager

READS = [RESTMethod.GET, RESTMethod.HEAD, RESTMethod.OPTIONS]
WRITES = [RESTMethod.POST, RESTMethod.PUT, RESTMethod.PATCH, RESTMethod.DELETE]
PAGE = b"<html><body>Bad Gateway</body></html>"


def broken(status: int) -> bytes:
    return answer(PAGE, f"{status} Broken", "Content-Type: text/html")


def notes(error: BaseException) -> str:
    return "\n".join(getattr(error, "__notes__", []))


def header_values(server: RawServer, name: str) -> list[bytes]:
    return [
        line.partition(b": ")[2]
        for request in server.requests
        for line in request.split(b"\r\n")
        if line.lower().startswith(name.lower().encode() + b":")
    ]


@pytest.mark.parametrize("method", [*READS, *WRITES])
@pytest.mark.parametrize("step", [GONE, broken(502)])
async def test_without_a_policy_there_is_one_attempt(
    method: RESTMethod, step: bytes | None
) -> None:
    either: list[tuple[dict[str, Any], dict[str, Any]]]
    either = [({}, {}), ({"retry": policy()}, {"retry": False})]
    for made, called in either:
        async with RawServer(answers(step, OK)) as server, rest_manager(**made) as manager:
            with pytest.raises(NetworkpypeError) as caught:
                await manager.execute_request(server.url, LIMIT_ID, method=method, **called)
            assert hits(server) == 1
        assert caught.value.outcome is Outcome.UNKNOWN
        assert notes(caught.value) == ""


@pytest.mark.parametrize("method", READS)
@pytest.mark.parametrize("step", [GONE, *map(broken, (408, 500, 502, 503, 504))])
async def test_a_read_is_sent_again_until_it_succeeds(
    method: RESTMethod, step: bytes | None
) -> None:
    events: list[Event] = []
    async with (
        RawServer(answers(step, step, OK)) as server,
        rest_manager(retry=policy(), hook=events.append) as manager,
    ):
        response = await manager.execute_request_and_get_response(
            server.url, LIMIT_ID, method=method
        )
        assert (response.status, hits(server)) == (200, 3)
    kinds = [type(event) for event in events]
    assert kinds == [RequestFinished, RetryScheduled] * 2 + [RequestFinished]
    scheduled = [event for event in events if isinstance(event, RetryScheduled)]
    assert [(each.attempt, each.wait_s, each.method) for each in scheduled] == [
        (1, 0.0, str(method)),
        (2, 0.0, str(method)),
    ]


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize("step", [GONE, *map(broken, (500, 502, 503, 504))])
async def test_a_write_is_never_sent_twice_without_the_callers_word(
    method: RESTMethod, step: bytes | None
) -> None:
    async with RawServer(answers(step, OK)) as server, rest_manager(retry=policy()) as manager:
        with pytest.raises(NetworkpypeError) as caught:
            await manager.execute_request(server.url, LIMIT_ID, method=method, data={"q": 1})
        assert hits(server) == 1
    assert caught.value.outcome is Outcome.UNKNOWN
    assert f"1 attempt was made and no more: a {method} is not sent twice" in notes(caught.value)


@pytest.mark.parametrize("method", WRITES)
async def test_a_kept_alive_connection_that_dies_executes_a_write_once(method: RESTMethod) -> None:
    async with (
        RawServer(answers(OK, GONE, OK)) as server,
        rest_manager(retry=policy()) as manager,
    ):
        await manager.execute_request(server.url, LIMIT_ID)
        with pytest.raises(TransportError) as caught:
            await manager.execute_request(f"{server.url}/order", LIMIT_ID, method=method)
        assert sum(b" /order " in each for each in server.requests) == 1
    assert caught.value.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("method", WRITES)
async def test_the_callers_word_is_enough(method: RESTMethod) -> None:
    async with (
        RawServer(answers(GONE, broken(503), OK)) as server,
        rest_manager(retry=policy()) as manager,
    ):
        result = await manager.execute_request(
            server.url, LIMIT_ID, method=method, data={"clientOrderId": "mine"}, idempotent=True
        )
        assert (result, hits(server)) == ({"ok": 1}, 3)


async def test_a_method_that_the_policy_lists_needs_no_word() -> None:
    listed = policy(methods={RESTMethod.DELETE})
    async with RawServer(answers(GONE, OK)) as server, rest_manager(retry=listed) as manager:
        await manager.execute_request(server.url, LIMIT_ID, method=RESTMethod.DELETE)
        assert hits(server) == 2


async def test_an_idempotency_key_is_the_same_on_each_attempt() -> None:
    async with (
        RawServer(answers(GONE, broken(500), OK)) as server,
        rest_manager(retry=policy()) as manager,
    ):
        mine = {"X-Mine": "1"}
        await manager.execute_request(
            server.url,
            LIMIT_ID,
            method=RESTMethod.POST,
            headers=mine,
            idempotency_key="order-1",
        )
        assert header_values(server, "Idempotency-Key") == [b"order-1"] * 3
        assert header_values(server, "X-Mine") == [b"1"] * 3
        assert mine == {"X-Mine": "1"}


async def test_the_name_of_the_keys_header_is_the_policys() -> None:
    named = policy(idempotency_header="X-Request-Id")
    either: list[tuple[dict[str, Any], dict[str, Any]]]
    either = [({"retry": named}, {}), ({}, {"retry": named})]
    for made, called in either:
        async with RawServer(answers(GONE, OK)) as server, rest_manager(**made) as manager:
            await manager.execute_request_and_get_response(
                server.url, LIMIT_ID, method=RESTMethod.POST, idempotency_key="k", **called
            )
            assert header_values(server, "x-request-id") == [b"k"] * 2


async def test_without_a_policy_the_key_is_sent_once() -> None:
    async with RawServer(answers(GONE, OK)) as server, rest_manager() as manager:
        with pytest.raises(TransportError):
            await manager.execute_request(
                server.url, LIMIT_ID, method=RESTMethod.POST, idempotency_key="k"
            )
        assert header_values(server, "Idempotency-Key") == [b"k"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"idempotency_key": ""}, "idempotency_key is a str that is empty"),
        ({"idempotency_key": "a\r\nb"}, "not visible ASCII"),
        ({"idempotency_key": "a", "headers": {"idempotency-key": "b"}}, "differ"),
        ({"idempotency_key": "a", "idempotent": False}, "contradict each other; pass one"),
        ({"retry": True}, "retry is True; pass a RetryPolicy"),
        ({"retry": 3}, "retry is 3; pass a RetryPolicy"),
        ({"idempotent": "false"}, "idempotent is 'false'; pass True or False"),
    ],
)
async def test_a_wrong_argument_is_refused_before_anything_is_sent(
    wrong: dict[str, Any], message: str
) -> None:
    async with RawServer(answers(OK)) as server, rest_manager() as manager:
        with pytest.raises(ConfigurationError, match=message):
            await manager.execute_request(server.url, LIMIT_ID, method=RESTMethod.POST, **wrong)
        assert server.connections == 0


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 418, 422, 451])
@pytest.mark.parametrize("private", [False, True])
async def test_what_the_exchange_refused_is_not_sent_again(status: int, private: bool) -> None:
    auth = HeaderHmac("the-key-of-this-test", "the-secret-of-this-test")
    async with (
        RawServer(answers(broken(status), OK)) as server,
        rest_manager(auth, retry=policy()) as manager,
    ):
        with pytest.raises(HTTPStatusError) as caught:
            await manager.execute_request(server.url, LIMIT_ID, is_auth_required=private)
        assert (caught.value.status, hits(server)) == (status, 1)


@pytest.mark.parametrize(
    "raw",
    [
        answer(b"", "302 Found", "Location: /other"),
        answer(b"not JSON"),
        answer(b"\xff\xfe{", "200 OK", "Content-Type: application/json; charset=utf-8"),
    ],
)
async def test_a_redirect_and_an_answer_that_cannot_be_read_are_final(raw: bytes) -> None:
    async with RawServer(answers(raw, OK)) as server, rest_manager(retry=policy()) as manager:
        with pytest.raises(NetworkpypeError):
            await manager.execute_request(
                server.url, LIMIT_ID, method=RESTMethod.POST, idempotent=True
            )
        assert hits(server) == 1


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


async def test_what_was_never_sent_is_sent_again_whatever_its_method() -> None:
    events: list[Event] = []
    url = f"http://127.0.0.1:{free_port()}/order"
    async with rest_manager(retry=policy(attempts=4), hook=events.append) as manager:
        with pytest.raises(ConnectFailedError) as caught:
            await manager.execute_request(url, LIMIT_ID, method=RESTMethod.POST)
    assert caught.value.outcome is Outcome.NOT_SENT
    assert sum(isinstance(event, RequestFinished) for event in events) == 4
    assert "4 attempts were made and no more: the policy's attempts=4" in notes(caught.value)


async def test_the_outcome_is_the_worst_of_all_attempts() -> None:
    duplicate = answer(b'{"code":-2010,"msg":"Duplicate order sent."}', "400 Bad Request")
    for return_err in (False, True):
        async with (
            RawServer(answers(GONE, duplicate)) as server,
            rest_manager(retry=policy()) as manager,
        ):
            with pytest.raises(HTTPStatusError, match="Duplicate") as caught:
                await manager.execute_request(
                    server.url,
                    LIMIT_ID,
                    method=RESTMethod.POST,
                    return_err=return_err,
                    idempotent=True,
                )
            assert hits(server) == 2
        assert caught.value.outcome is Outcome.UNKNOWN
        assert "the outcome is that of an earlier attempt: unknown" in notes(caught.value)


async def test_a_second_attempt_that_was_not_sent_does_not_unsend_the_first() -> None:
    async def hang_up(peer: Peer) -> None:
        listening[0].close()
        peer.reset()

    async with RawServer(answers(hang_up)) as raw, rest_manager(retry=policy()) as manager:
        assert raw._server is not None
        listening = [raw._server]
        with pytest.raises(ConnectFailedError) as caught:
            await manager.execute_request(
                raw.url, LIMIT_ID, method=RESTMethod.POST, idempotent=True
            )
        assert hits(raw) == 1
    assert caught.value.outcome is Outcome.UNKNOWN


async def test_a_body_is_returned_where_the_caller_wants_no_error() -> None:
    body = answer(b'{"msg":"down"}', "503 Down")
    async with RawServer(answers(body)) as server, rest_manager(retry=policy()) as manager:
        result = await manager.execute_request(server.url, LIMIT_ID, return_err=True)
        assert (result, hits(server)) == ({"msg": "down"}, 3)


async def test_each_attempt_pays_is_processed_and_signed_anew() -> None:
    seen: list[RESTRequest] = []

    class Stamp(RESTPreProcessor):
        async def pre_process(self, request: RESTRequest) -> RESTRequest:
            assert "X-Attempt" not in (request.headers or {})
            seen.append(request)
            request.headers = {**(request.headers or {}), "X-Attempt": str(len(seen))}
            return request

    class Counting(HeaderHmac):
        nonce = 0

        async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
            self.nonce += 1
            request.headers = {**(request.headers or {}), "X-Nonce": str(self.nonce)}
            return await super().rest_authenticate(request)

    throttler = AsyncThrottler([RateLimit("any", 100, 3600.0)], safety_margin_pct=0)
    auth = Counting("the-key-of-this-test", "the-secret-of-this-test")
    async with (
        RawServer(answers(GONE, broken(500), OK)) as server,
        ConnectionManagersFactory(
            throttler, auth, rest_pre_processors=[Stamp()], retry=policy()
        ) as factory,
    ):
        manager = await factory.get_rest_manager()
        data = {"deep": {"er": [1]}}
        await manager.execute_request(
            server.url,
            "any",
            method=RESTMethod.POST,
            data=data,
            is_auth_required=True,
            idempotent=True,
        )
        assert header_values(server, "X-Attempt") == [b"1", b"2", b"3"]
        assert header_values(server, "X-Nonce") == [b"1", b"2", b"3"]
        assert {request.partition(b"\r\n\r\n")[2] for request in server.requests} == {
            b'{"deep":{"er":[1]}}'
        }
    assert len({id(each) for each in seen}) == 3
    assert throttler.snapshot()["any"].used == 3
    assert data == {"deep": {"er": [1]}}


@pytest.mark.parametrize("budget", [None, RetryBudget(share=0.1, burst=2)])
async def test_the_managers_of_a_factory_share_one_budget(budget: RetryBudget | None) -> None:
    calls = 40
    most = 10 + 0.2 * calls if budget is None else 2 + 0.1 * calls
    async with (
        RawServer(answering(broken(503))) as server,
        ConnectionManagersFactory(
            AsyncThrottler([RateLimit(LIMIT_ID, 1_000_000, 1.0)]), retry=policy(budget=budget)
        ) as factory,
    ):
        managers = [await factory.get_rest_manager() for _ in range(4)]
        errors: list[BaseException] = []
        for number in range(calls):
            with pytest.raises(HTTPStatusError) as caught:
                await managers[number % 4].execute_request(server.url, LIMIT_ID)
            errors.append(caught.value)
        assert calls + most - 1 <= hits(server) <= calls + most
    assert "the retry budget is spent" in notes(errors[-1])


async def test_a_policy_of_one_call_has_the_factorys_budget() -> None:
    async with RawServer(answering(broken(503))) as server, rest_manager() as manager:
        for _ in range(40):
            with pytest.raises(HTTPStatusError):
                await manager.execute_request(server.url, LIMIT_ID, retry=policy())
        assert hits(server) <= 40 + 10 + 0.2 * 40


async def test_a_call_keeps_its_own_timeout_for_each_attempt() -> None:
    async def hold(peer: Peer) -> None:
        await peer.silence()

    async with RawServer(answers(hold, OK)) as server, rest_manager(retry=policy()) as manager:
        assert await manager.execute_request(server.url, LIMIT_ID, timeout=0.05) == {"ok": 1}
        assert hits(server) == 2


async def test_what_is_left_of_max_elapsed_s_bounds_the_attempts() -> None:
    async with RawServer(answers(lambda peer: peer.silence())) as server:
        loop = asyncio.get_running_loop()
        short = policy(attempts=50, max_elapsed_s=0.3)
        async with rest_manager(retry=short) as manager:
            began = loop.time()
            with pytest.raises(RequestTimeoutError) as caught:
                await manager.execute_request(server.url, LIMIT_ID, timeout=0.2)
            took_s = loop.time() - began
        assert hits(server) == 2
    assert 0.3 <= took_s < 2
    assert "max_elapsed_s=0.3" in notes(caught.value)


async def test_the_timeout_of_the_last_attempt_is_cut_to_what_is_left() -> None:
    async with (
        RawServer(answers(GONE, lambda peer: peer.silence())) as server,
        rest_manager(retry=policy(max_elapsed_s=0.2)) as manager,
    ):
        with pytest.raises(RequestTimeoutError) as caught:
            async with asyncio.timeout(3):
                await manager.execute_request(server.url, LIMIT_ID, timeout=60)
        assert hits(server) == 2
    assert "max_elapsed_s=0.2" in notes(caught.value)


async def test_a_fault_in_an_auth_is_not_a_reason_to_send_again() -> None:
    class Faulty(HeaderHmac):
        async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
            raise KeyError("mine")

    async with (
        RawServer(answers(OK)) as server,
        rest_manager(Faulty("k" * 16, "s" * 16), retry=policy()) as manager,
    ):
        with pytest.raises(KeyError):
            await manager.execute_request(server.url, LIMIT_ID, is_auth_required=True)
        assert server.connections == 0


def test_a_wrong_policy_is_refused_by_the_factory() -> None:
    throttler = AsyncThrottler([RateLimit(LIMIT_ID, 1, 1.0)])
    wrong: dict[str, Any]
    for wrong in ({"retry": 3}, {"retry": RetryPolicy}, {"circuit_breaker": object()}):
        with pytest.raises(ConfigurationError, match=next(iter(wrong))):
            ConnectionManagersFactory(throttler, **wrong)


async def test_a_call_that_may_not_wait_is_not_sent() -> None:
    throttler = AsyncThrottler([RateLimit(LIMIT_ID, 1, 60.0)])
    async with (
        RawServer(answers(OK)) as server,
        ConnectionManagersFactory(throttler, retry=policy()) as factory,
    ):
        manager = await factory.get_rest_manager()
        await manager.execute_request(server.url, LIMIT_ID, max_wait=0)
        for priority in (None, Priority.CANCEL):
            with pytest.raises(ThrottleTimeoutError) as caught:
                await manager.execute_request(server.url, LIMIT_ID, max_wait=1.0, priority=priority)
            assert caught.value.outcome is Outcome.NOT_SENT
        assert hits(server) == 1


async def test_a_call_may_wait_for_longer_than_the_throttler_says() -> None:
    throttler = AsyncThrottler([RateLimit(LIMIT_ID, 1, 0.2)], max_wait=0.0)
    async with (
        RawServer(answers(OK, OK)) as server,
        ConnectionManagersFactory(throttler, retry=policy()) as factory,
    ):
        manager = await factory.get_rest_manager()
        await manager.execute_request(server.url, LIMIT_ID)
        with pytest.raises(ThrottleTimeoutError):
            await manager.execute_request(server.url, LIMIT_ID)
        await manager.execute_request(server.url, LIMIT_ID, max_wait=math.inf)
        assert hits(server) == 2


async def test_the_priority_and_the_request_reach_the_throttler() -> None:
    weighed: list[Any] = []

    def weight(request: Any) -> int:
        weighed.append(request)
        return 3 if request.params == {"depth": "5000"} else 1

    throttler = AsyncThrottler(
        [RateLimit(LIMIT_ID, 10, 60.0, weight=weight, reserved={Priority.CANCEL: 6})],
        safety_margin_pct=0,
    )
    async with (
        RawServer(answers(GONE, OK)) as server,
        ConnectionManagersFactory(throttler, retry=policy()) as factory,
    ):
        manager = await factory.get_rest_manager()
        params = {"depth": "5000"}
        with pytest.raises(TransportError):  # the second attempt would need what is reserved
            await manager.execute_request(server.url, LIMIT_ID, params, max_wait=0)
        await manager.execute_request(
            server.url, LIMIT_ID, params, max_wait=0, priority=Priority.CANCEL
        )
        assert hits(server) == 2
    assert throttler.snapshot()[LIMIT_ID].used == 6
    assert all(isinstance(request, RESTRequest) for request in weighed)


async def test_a_throttler_of_the_users_own_is_entered_for_each_attempt() -> None:
    entered: list[str] = []

    class Own(AsyncThrottler):
        def execute_task(self, limit_id: str, **terms: Any) -> Any:
            entered.append(limit_id)
            return super().execute_task(limit_id)

    throttler = Own([RateLimit(LIMIT_ID, 100, 1.0)])
    async with (
        RawServer(answers(GONE, GONE, OK)) as server,
        ConnectionManagersFactory(throttler, retry=policy()) as factory,
    ):
        manager = await factory.get_rest_manager()
        await manager.execute_request(server.url, LIMIT_ID)
        assert (entered, hits(server)) == ([LIMIT_ID] * 3, 3)
        with pytest.raises(ConfigurationError, match="Own knows no priority and no max_wait"):
            await manager.execute_request(server.url, LIMIT_ID, max_wait=1.0)
        assert hits(server) == 3


async def test_no_note_and_no_repr_shows_the_key_or_a_password() -> None:
    shown: list[str] = []
    secret = "not-to-be-seen-4711"
    events: list[Event] = []
    async with (
        RawServer(answers(broken(503))) as server,
        rest_manager(retry=policy(), hook=events.append) as manager,
    ):
        with pytest.raises(HTTPStatusError) as caught:
            await manager.execute_request(
                f"{server.url}/x?signature={secret}",
                LIMIT_ID,
                method=RESTMethod.POST,
                idempotency_key=secret,
                data={"secret": secret},
                cookies={"session": secret},
            )
        assert hits(server) == 3
        assert any(secret.encode() in each for each in server.requests)
        trace: Any = caught.value.__traceback__
        while trace is not None:
            call = trace.tb_frame.f_locals.get("call")
            shown.append(repr(call))
            trace = trace.tb_next
    assert any(text.startswith("Call(") for text in shown)
    shown += [str(caught.value), *caught.value.__notes__, *map(repr, events)]
    assert not [text for text in shown if secret in text]
