"""What is wrong with a mock's handler, weight or limits is told to whoever wrote it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from networkpype import AsyncThrottler, ConnectionManagersFactory, HTTPStatusError, RateLimit
from networkpype.errors import ConfigurationError
from networkpype.testing import (
    Access,
    Answer,
    ArrivalLimit,
    MockExchange,
    MockVenue,
    ReceivedRequest,
    Refused,
)

Mock = MockExchange | MockVenue
TEXT: Any = "200"


@pytest.fixture(params=["exchange", "okx"])
async def mock(request: pytest.FixtureRequest) -> AsyncIterator[Mock]:
    limits = [ArrivalLimit("ip", 100, 1.0)]
    made = MockExchange(limits=limits) if request.param == "exchange" else MockVenue("okx")
    async with made as mock:
        yield mock


async def told(mock: Mock, handler: Any) -> str:
    """Return what a client is told of a handler, which it is to be told with a 500."""
    mock.add_endpoint("GET", "/v1/mine", handler, Access.PUBLIC)
    throttler = AsyncThrottler([RateLimit("any", 100, 1)])
    async with ConnectionManagersFactory(throttler, base_url=mock.url) as factory:
        rest = await factory.get_rest_manager()
        with pytest.raises(HTTPStatusError) as raised:
            await rest.execute_request(endpoint_url="/v1/mine", throttler_limit_id="any")
    assert raised.value.status == 500
    return str(raised.value)


def raises(request: ReceivedRequest) -> Answer:
    raise KeyError("symbol")


async def raises_later(request: ReceivedRequest) -> Answer:
    raise KeyError("symbol")


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (raises, r"GET /v1/mine: KeyError: 'symbol'"),
        (raises_later, r"GET /v1/mine: KeyError: 'symbol'"),
        (lambda request: {"a": 1}, r"returned a dict; return Answer\(data, status=200\)"),
        (lambda request: None, r"returned a NoneType; return Answer\(data, status=200\)"),
        (lambda: Answer(), r"TypeError: .*takes 0 positional arguments"),
        (lambda request: Answer({"a": object()}), "object is not JSON serializable"),
        (lambda request: Answer(status=TEXT), "has status '200'; a status is from 200 to 599"),
        (lambda request: Answer(status=99), "has status 99; a status is from 200 to 599"),
    ],
)
async def test_a_handler_that_is_wrong_tells_the_client_and_the_test(
    mock: Mock, handler: Callable[..., Any], said: str
) -> None:
    assert re.search(said, await told(mock, handler))
    (failure,) = mock.failures
    assert isinstance(failure, (KeyError, TypeError))
    (received,) = mock.received
    assert received.status == 500
    assert re.search(said, received.refusal or "")
    if isinstance(mock, MockExchange):
        assert mock.status_counts == {500: 1}


async def test_a_handler_that_refuses_is_no_failure(mock: Mock) -> None:
    def refuse(request: ReceivedRequest) -> Answer:
        raise Refused(500, -7, "down for now")

    assert "down for now" in await told(mock, refuse)
    assert mock.failures == []


@pytest.mark.parametrize(
    "weight",
    [
        lambda request: 2,
        lambda: 2,
        lambda method, path, query: 2,
        lambda *, method, path: 2,
    ],
)
def test_a_weight_that_does_not_take_a_method_and_a_path_is_refused(weight: Any) -> None:
    with pytest.raises(ConfigurationError, match=r'"ip": weight takes \(method, path\)'):
        ArrivalLimit("ip", 3, 1.0, weight=weight)
    with pytest.raises(ConfigurationError, match=r'"ip": weight takes \(method, path\)'):
        ArrivalLimit.token_bucket("ip", 3, 1.0, weight=weight)


async def awaited(method: str, path: str) -> int:
    return 2


def test_a_weight_that_has_to_be_awaited_is_refused() -> None:
    weight: Any = awaited
    with pytest.raises(ConfigurationError, match=r"weight takes \(method, path\)"):
        ArrivalLimit("ip", 3, 1.0, weight=weight)


@pytest.mark.parametrize(
    "weight", [lambda method, path: 2, lambda *given: 2, lambda method, path, more=1: 2]
)
def test_a_weight_that_takes_both_is_asked(weight: Any) -> None:
    assert ArrivalLimit("ip", 3, 1.0, weight=weight).units("GET", "/v1/time") == 2


@pytest.mark.parametrize("returned", ["2", None, -1, 1.5])
@pytest.mark.parametrize("kind", ["exchange", "okx"])
async def test_a_weight_that_is_no_number_of_units_tells_the_client_and_the_test(
    kind: str, returned: Any
) -> None:
    limits = [ArrivalLimit("ip", 3, 1.0, weight=lambda method, path: returned)]
    async with (
        MockExchange(limits=limits)
        if kind == "exchange"
        else MockVenue(kind, limits=limits) as mock
    ):
        said = await told(mock, lambda request: Answer())
        assert f"weight returned {returned!r}; return an integer from 0 up" in said
        assert isinstance(mock.failures[0], ConfigurationError)
        assert mock.received[0].status == 500


@pytest.mark.parametrize("make", [MockExchange, lambda **given: MockVenue("okx", **given)])
def test_a_limit_without_its_list_is_refused(make: Callable[..., Mock]) -> None:
    with pytest.raises(ConfigurationError, match=r"one ArrivalLimit; pass a list: limits=\["):
        make(limits=ArrivalLimit("ip", 3, 1.0))
    for wrong in ("ip", 3, ["ip"]):
        with pytest.raises(ConfigurationError, match="limits holds ArrivalLimit objects, got"):
            make(limits=wrong)
