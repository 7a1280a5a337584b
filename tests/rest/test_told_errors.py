"""What the event of an attempt says of an answer with an error status."""

from __future__ import annotations

import pytest

from networkpype import Event, HTTPStatusError, Outcome, RequestFinished
from tests.support.raw_server import RawServer, answer
from tests.support.retrying import OK, answers, policy
from tests.support.signing import LIMIT_ID, HeaderHmac, rest_manager


def finished(events: list[Event]) -> list[tuple[int | None, str | None, Outcome | None]]:
    return [
        (event.status, event.error, event.outcome)
        for event in events
        if isinstance(event, RequestFinished)
    ]


@pytest.mark.parametrize("return_err", [False, True])
@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 418, 429, 500, 503])
async def test_it_is_told_as_the_error_that_the_status_makes(
    status: int, private: bool, return_err: bool
) -> None:
    events: list[Event] = []
    step = answer(b"{}", f"{status} No")
    async with (
        RawServer(answers(step)) as server,
        rest_manager(HeaderHmac("k", "s"), hook=events.append) as manager,
    ):
        with pytest.raises(HTTPStatusError) as caught:
            await manager.execute_request(server.url, LIMIT_ID, is_auth_required=private)
        error = caught.value
        if return_err:
            events.clear()
            await manager.execute_request(
                server.url, LIMIT_ID, is_auth_required=private, return_err=True
            )
    assert finished(events) == [(status, type(error).__name__, error.outcome)]


async def test_a_503_that_says_when_is_a_rate_limit_and_a_success_is_nothing() -> None:
    events: list[Event] = []
    busy = answer(b"", "503 Busy", "Retry-After: 0")
    async with (
        RawServer(answers(busy, OK)) as server,
        rest_manager(retry=policy(), hook=events.append) as manager,
    ):
        await manager.execute_request(server.url, LIMIT_ID)
    assert finished(events) == [
        (503, "RateLimitedError", Outcome.UNKNOWN),
        (200, None, None),
    ]
