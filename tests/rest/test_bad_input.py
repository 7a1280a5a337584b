"""Every wrong argument is a typed error that names the fix, and the server sees nothing."""

from __future__ import annotations

import datetime
import decimal
import math
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDict
from yarl import URL

from networkpype import (
    AsyncThrottler,
    ConfigurationError,
    ConnectionManagersFactory,
    NetworkpypeError,
    NotConnectedError,
    Outcome,
    RESTConnection,
    RESTMethod,
    RESTRequest,
)
from tests.support.raw_server import RawServer, answer, answering
from tests.support.signing import LIMIT_ID, HeaderHmac, free_throttler, rest_manager

HALF_A_PAIR = "\ud83d"


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    async with RawServer(answering(answer())) as server:
        yield server


class NotCopyable:
    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("cannot pickle 'NotCopyable' object")


CALLS: list[tuple[dict[str, Any], str]] = [
    ({"throttler_limit_id": "anny"}, r'no rate limit "anny"; did you mean "any"\? known: any'),
    ({"throttler_limit_id": ""}, r'no rate limit ""; known: any'),
    ({"method": "FETCH"}, r"method 'FETCH' is unknown; use one of \[GET, POST"),
    ({"method": None}, "method None is unknown"),
    ({"headers": {"X-A": "1\r\nX-B: 2"}}, r'header "X-A" holds a control character \(CR, LF'),
    ({"headers": {"X-A": "1\n"}}, "holds a control character"),
    ({"headers": {"X-A": "1\x00"}}, "holds a control character"),
    ({"headers": {"X-A": "é"}}, "a character outside ASCII"),
    ({"headers": {"X-A": " 1"}}, "blanks at its ends; strip"),
    ({"headers": {"X-A": None}}, 'header "X-A" is a NoneType; pass it as str'),
    ({"headers": {"X-A": 1}}, 'header "X-A" is a int; pass it as str'),
    ({"headers": {"X-A": b"1"}}, 'header "X-A" is a bytes; pass it as str'),
    ({"headers": {"X-A": RESTMethod.GET}}, 'header "X-A" is a RESTMethod; pass it as str'),
    ({"headers": {"X-A\r\nX-B": "1"}}, "is not a token of RFC 9110"),
    ({"headers": {"X A": "1"}}, "is not a token"),
    ({"headers": {"": "1"}}, "is not a token"),
    ({"headers": {"X-É": "1"}}, "is not a token"),
    ({"headers": {1: "1"}}, "is not a token"),
    ({"headers": {"X-A": "1", "x-a": "2"}}, 'header "x-a" is there twice .*; keep one of them'),
    ({"headers": {"Content-Type": "a/b", "content-type": "c/d"}}, "is there twice"),
    ({"headers": CIMultiDict([("X-A", "1"), ("X-A", "2")])}, "a name twice; keep one"),
    ({"headers": "X-A: 1"}, "headers are a str; pass a mapping of str to str"),
    ({"headers": 7}, "headers are a int; pass a mapping"),
    ({"data": {}, "headers": {"Content-Length": "1"}}, "contradicts the body of 2 bytes"),
    ({"headers": {"content-length": "5"}}, "contradicts the body of 0 bytes; leave it out"),
    ({"headers": {"Transfer-Encoding": "chunked"}}, "contradicts the body"),
    ({"data": object()}, "the body cannot be JSON: .*object"),
    ({"data": {"a": math.nan}}, "the body cannot be JSON: .*no NaN"),
    ({"data": [math.inf]}, "the body cannot be JSON"),
    ({"data": {"price": decimal.Decimal("0.1")}}, "send numbers such as Decimal as str"),
    ({"data": {"ids": {1, 2}}}, "the body cannot be JSON"),
    ({"data": {"at": datetime.date(2026, 1, 1)}}, "dates as the exchange's own text"),
    ({"data": {"raw": b"1"}}, "the body cannot be JSON"),
    ({"data": {(1, 2): 3}}, "the body cannot be JSON"),
    ({"data": (each for each in "ab")}, "a generator cannot be part of a request"),
    ({"data": {"a": NotCopyable()}}, "a NotCopyable cannot be part of a request"),
    ({"params": {"a": NotCopyable()}}, "a NotCopyable cannot be part of a request"),
    ({"data": HALF_A_PAIR}, "the body holds half of a surrogate pair"),
    ({"params": {"a": HALF_A_PAIR}}, "a parameter holds half of a surrogate pair"),
    ({"params": {HALF_A_PAIR: "a"}}, "a parameter holds half of a surrogate pair"),
    ({"params": f"a={HALF_A_PAIR}"}, "the URL holds half of a surrogate pair"),
    ({"params": {"a": math.nan}}, "a parameter is nan"),
    ({"params": {"a": decimal.Decimal("Infinity")}}, "a parameter is Infinity"),
    ({"params": {"a": b"1"}}, "a parameter is a bytes; pass str"),
    ({"params": {"a": {"b": 1}}}, "a parameter is a dict"),
    ({"params": {"a": [None]}}, "a parameter is a NoneType"),
    ({"params": {1: "a"}}, "with str names"),
    ({"params": b"a=1"}, "params are bytes"),
    ({"params": 5}, "params must be a mapping, pairs"),
    ({"params": ["a", "b"]}, "params must be a mapping, pairs"),
    ({"params": [("a", 1, 2)]}, "params must be a mapping, pairs"),
    ({"timeout": 0}, "timeout is 0; pass seconds above zero"),
    ({"timeout": -1.5}, r"timeout is -1\.5"),
    ({"timeout": math.nan}, "timeout is nan"),
    ({"timeout": math.inf}, "timeout is inf"),
    ({"timeout": True}, "timeout is True"),
    ({"timeout": "5"}, "timeout is '5'"),
    ({"timeout": aiohttp.ClientTimeout(5)}, "pass seconds above zero"),
    ({"allow_redirects": True}, 'no argument "allow_redirects"'),
    ({"max_redirects": 3}, 'no argument "max_redirects"'),
    ({"middlewares": ()}, 'no argument "middlewares"'),
    ({"json": {}}, 'no argument "json"'),
    ({"compress": True}, 'no argument "compress"'),
    ({"chunked": True}, 'no argument "chunked"'),
    ({"parms": {}}, 'did you mean "params"'),
]


@pytest.mark.parametrize(("wrong", "words"), CALLS, ids=lambda value: repr(value)[:40])
async def test_a_wrong_argument_of_a_call(
    server: RawServer, wrong: dict[str, Any], words: str
) -> None:
    call: dict[str, Any] = {"throttler_limit_id": LIMIT_ID, "method": RESTMethod.POST} | wrong
    async with rest_manager() as manager:
        with pytest.raises(ConfigurationError, match=words) as caught:
            await manager.execute_request(server.url, **call)
        error = caught.value
        assert isinstance(error, ValueError)
        assert error.outcome is Outcome.NOT_SENT
        assert HALF_A_PAIR not in repr(error.__context__)
        assert server.requests == []
        # The manager is as good as new.
        assert await manager.execute_request(server.url, LIMIT_ID) == {}


URLS: list[tuple[Any, str]] = [
    ("api.example.com/v1", 'no scheme that can be sent; write it whole, such as "https://api.exa'),
    ("//api.example.com/v1", 'write it whole, such as "https://api.example.com/v1"'),
    ("/v1/time", "pass it as endpoint_url= to a factory with base_url="),
    ("ftp://api.example.com/", 'no scheme that can be sent; write it whole, such as "https://api'),
    ("javascript:alert(1)", "no scheme"),
    ("", "no scheme"),
    ("http://", "has no valid host"),
    ("http:///v1", "has no valid host"),
    ("http://exa mple.com/", "has no valid host"),
    ("http://a..b/", "has no valid host; write names of 1 to 63 letters"),
    ("http://.a/", "has no valid host"),
    (f"http://{'a' * 64}.example/", "has no valid host"),
    (f"http://{'a.' * 127}a/", "has no valid host"),
    ("http://bü..cher/", "has a host that is no name"),
    ("http://127.0.0.1./", "has a dot after its host, .*; drop it"),
    ("http://localhost.:8080/", "has a dot after its host"),
    ("http://bücher.example./", "has a dot after its host"),
    (f"http://127.0.0.1:{'0' * 5000}80/", "has a port that is no number"),
    ("http://exa\r\nmple.com/", "has no valid host"),
    ("http://127.0.0.1\x00/", "has no valid host"),
    ("http://user:password@127.0.0.1/", "holds user info; pass credentials to an Auth instead"),
    ("http://127.0.0.1:port/", "has a port that is no number"),
    ("http://127.0.0.1:/", "has a port that is no number"),
    ("http://127.0.0.1:0/", "has a port"),
    ("http://127.0.0.1:65536/", "has a port"),
    ("http://127.0.0.1:-1/", "has a port"),
    ("http://127.0.0.1:٣/", "has a port"),
    ("http://127.0.0.1\\@evil.example/", 'has a backslash after its host; use "/"'),
    ("http://\ud83d/", "has a host that is no name"),
    (f"http://127.0.0.1/{HALF_A_PAIR}", "the URL holds half of a surrogate pair"),
    (URL("http://127.0.0.1/"), "url is a URL; pass it as str"),
    (b"http://127.0.0.1/", "url is a bytes; pass it as str"),
    (7, "url is a int; pass it as str"),
    (["http://127.0.0.1/"], "url is a list; pass it as str"),
    (None, "neither url nor endpoint_url; pass one of them"),
]


@pytest.mark.parametrize(("url", "words"), URLS, ids=lambda value: repr(value)[:40])
async def test_a_wrong_url(url: Any, words: str) -> None:
    async with rest_manager() as manager:
        with pytest.raises(ConfigurationError, match=words) as caught:
            await manager.execute_request(url, LIMIT_ID)
        assert "password" not in str(caught.value)
        with pytest.raises(ConfigurationError, match=words):
            await manager.call(RESTRequest(RESTMethod.GET, url))


@pytest.mark.parametrize("headers", [None, {"Host": "api.Example.com"}, {"hOST": "b:1"}])
async def test_the_host_that_is_signed_is_the_host_that_is_sent(
    server: RawServer, headers: dict[str, str] | None
) -> None:
    for url in (server.url, server.url.replace(str(server.port), f"0{server.port}")):
        request = RESTRequest(RESTMethod.GET, url, headers=headers)
        async with rest_manager() as manager:
            await manager.call(request)
        lines = server.requests[-1].split(b"\r\n")
        sent = [line for line in lines if line.lower().startswith(b"host:")]
        assert [line.partition(b": ")[2].decode() for line in sent] == [request.host]


async def test_an_empty_content_type_is_the_callers_own_in_whatever_case(server: RawServer) -> None:
    async with rest_manager() as manager:
        for name in ("Content-Type", "content-type"):
            await manager.execute_request(server.url, LIMIT_ID, headers={name: ""})
    assert [each.lower().count(b"content-type: \r\n") for each in server.requests] == [1, 1]


async def test_without_a_url_a_bare_connection_raises_value_error() -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ValueError, match="the request has no url; pass url="):
            await RESTConnection(session).call(RESTRequest(RESTMethod.GET))


ENDPOINTS: list[tuple[Any, str]] = [
    ("https://evil.example/v1", "names a host; pass a path such as /v1/time"),
    ("//evil.example/v1", "names a host"),
    ("\\\\evil.example", "names a host"),
    ("/\\evil.example", "names a host"),
    (b"/v1", "endpoint_url is a bytes; pass it as str"),
]


@pytest.mark.parametrize(("endpoint", "words"), ENDPOINTS)
async def test_an_endpoint_never_changes_the_host(
    server: RawServer, endpoint: Any, words: str
) -> None:
    async with rest_manager(base_url=server.url) as manager:
        with pytest.raises(ConfigurationError, match=words):
            await manager.execute_request(None, LIMIT_ID, endpoint_url=endpoint)
    assert server.requests == []


@pytest.mark.parametrize(
    ("endpoint", "target"),
    [
        ("/v1/time", "/api/v1/time"),
        ("v1/time", "/api/v1/time"),
        ("", "/api/"),
        ("/../../admin", "/api/../../admin"),
        ("@evil.example/", "/api/@evil.example/"),
        (":80@evil.example/", "/api/:80@evil.example/"),
        (".evil.example", "/api/.evil.example"),
        ("?a=1", "/api/?a=1"),
        ("/v1?url=https://x", "/api/v1?url=https://x"),
        ("\t//evil.example", "/api/%09//evil.example"),
        ("a\r\nHost: evil.example", "/api/a%0D%0AHost:%20evil.example"),
    ],
)
async def test_an_endpoint_goes_behind_the_base(
    server: RawServer, endpoint: str, target: str
) -> None:
    for base in (f"{server.url}/api", f"{server.url}/api/"):
        async with rest_manager(base_url=base) as manager:
            await manager.execute_request(None, LIMIT_ID, endpoint_url=endpoint)
            await manager.call(RESTRequest(RESTMethod.GET, endpoint_url=endpoint))
    assert [each.partition(b"\r\n")[0] for each in server.requests] == [
        f"GET {target} HTTP/1.1".encode()
    ] * 4
    host = f"\r\nHost: 127.0.0.1:{server.port}\r\n".encode()
    assert all(host in each for each in server.requests)


async def test_an_endpoint_without_a_base_says_where_the_base_goes() -> None:
    async with rest_manager() as manager:
        with pytest.raises(ConfigurationError, match="'/v1/time' needs a base: pass base_url= to"):
            await manager.execute_request(None, LIMIT_ID, endpoint_url="/v1/time")


FACTORY: list[tuple[dict[str, Any], str]] = [
    ({"throttler": None}, "throttler is NoneType.* pass an AsyncThrottler"),
    ({"throttler": [1]}, "throttler is list"),
    ({"throttler": AsyncThrottler}, "throttler is AsyncThrottler.* pass an AsyncThrottler"),
    ({"auth": "key:secret"}, "auth is str.* pass an instance of your Auth subclass"),
    ({"auth": HeaderHmac}, "auth is HeaderHmac.* pass an instance"),
    ({"time_synchronizer": 5}, "time_synchronizer is int.* pass a TimeSynchronizer"),
    ({"rest_pre_processors": 5}, "rest_pre_processors is int; pass a list"),
    ({"rest_post_processors": [5]}, "an item of rest_post_processors is int.* with post_process"),
    ({"json_loads": "orjson"}, "json_loads is str; pass a callable"),
    ({"hook": 5}, "hook is int; pass a callable"),
    ({"hook": list}, "hook is the class list; pass one of its objects"),
    ({"connections_factory": 5}, "connections_factory is int"),
    ({"base_url": "api.example.com"}, "no scheme"),
    ({"base_url": "https://api.example.com/?v=1"}, "base_url .* has a query or fragment"),
    ({"base_url": "https://api.example.com/?"}, "has a query or fragment"),
    ({"base_url": "https://api.example.com/#a"}, "has a query or fragment"),
    ({"base_url": URL("https://api.example.com")}, "base_url is a URL; pass it as str"),
    ({"timeout_s": 0}, "timeout is 0"),
    ({"timeout_s": None}, "timeout is None"),
]


@pytest.mark.parametrize(("wrong", "words"), FACTORY, ids=lambda value: repr(value)[:40])
def test_a_wrong_argument_of_the_factory(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        ConnectionManagersFactory(**{"throttler": free_throttler()} | wrong)


async def test_a_wrong_argument_of_the_connection() -> None:
    async with aiohttp.ClientSession() as session:
        for wrong in (0, -1, 1.5, None):
            with pytest.raises(ConfigurationError, match=r"max_body_bytes is \S+; pass at least 1"):
                RESTConnection(session, max_body_bytes=wrong)  # type: ignore[arg-type]
        connection = RESTConnection(session)
        request = RESTRequest(RESTMethod.GET, "http://127.0.0.1:1/")
        for timeout in (0, -1, math.nan):
            with pytest.raises(ConfigurationError, match="pass seconds above zero"):
                await connection.call(request, timeout=timeout)


async def test_a_closed_session_is_a_typed_error() -> None:
    async with rest_manager() as manager:
        pass
    with pytest.raises(NotConnectedError, match="get a new manager from the factory") as caught:
        await manager.execute_request("http://127.0.0.1:1/", LIMIT_ID)
    assert isinstance(caught.value, (RuntimeError, NetworkpypeError))
    assert caught.value.outcome is Outcome.NOT_SENT


def test_the_repr_of_a_request_never_fails_nor_breaks_the_line() -> None:
    used_up = iter([("a", "1")])
    for params in (5, ["a"], [("a",)], used_up, {1: 2}, b"a=1", "a=1", [("a\r\nb", "1")]):
        for url in (None, 7, URL("http://h/"), "http://h/\r\nforged"):
            request = RESTRequest(RESTMethod.GET, url, params=params)  # type: ignore[arg-type]
            assert not any(ord(character) < 32 for character in repr(request))
    assert list(used_up) == [("a", "1")]


async def test_params_that_can_be_read_once_are_not_signed_and_then_sent_empty(
    server: RawServer,
) -> None:
    once: Any = iter([("a", "1")])
    request = RESTRequest(RESTMethod.GET, server.url, params=once, is_auth_required=True)
    async with rest_manager(HeaderHmac("key", "secret")) as manager:
        with pytest.raises(ConfigurationError, match="pass list"):
            await manager.call(request)
    assert server.requests == []
