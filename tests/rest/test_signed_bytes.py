"""Signed bytes are sent bytes: the server recomputes each signature from the raw request."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from networkpype import Credentials, RESTManager, RESTMethod, RESTRequest, SchemeAuth
from networkpype.auth.schemes.headers import HeaderSignature
from networkpype.testing import MockExchange
from tests.support.raw_server import RawServer, answer, answering
from tests.support.signing import LIMIT_ID, HeaderHmac, QueryHmac, rest_manager

PRINTABLE_ASCII = [chr(code) for code in range(0x20, 0x7F)]
CONTROLS = ["\x00", "\t", "\r", "\n", "\x1b", "\x7f", "\x85"]
# One from each of the 17 planes, and those that encoders and parsers like to trip over.
ALL_PLANES = [chr(plane * 0x10000 + 0x1234) for plane in range(17)]
AWKWARD = [*"\xa0\xffßİя中\u200b\u2028\ufeff\ufffd😀", "e\u0301"]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PLAIN = {"Content-Type": "text/plain; charset=utf-8"}

Call = dict[str, Any]


@pytest.fixture(params=[HeaderHmac, QueryHmac])
async def signing(
    request: pytest.FixtureRequest, exchange: MockExchange
) -> AsyncIterator[RESTManager]:
    """A manager whose auth signs in the headers, then one whose auth signs in the query."""
    async with rest_manager(request.param(exchange.api_key, exchange.api_secret)) as manager:
        yield manager


async def echo(manager: RESTManager, exchange: MockExchange, path: str = "x", **call: Any) -> Any:
    """Send a signed request and return what arrived; whatever does not verify raises."""
    url = f"{exchange.url}/v1/echo/{path}"
    return await manager.execute_request(
        url, LIMIT_ID, method=RESTMethod.POST, is_auth_required=True, **call
    )


def pairs_in(arrived: Any) -> list[tuple[str, str]]:
    pairs = parse_qsl(arrived["raw_path"].partition("?")[2], keep_blank_values=True)
    return [pair for pair in pairs if pair[0] not in ("timestamp", "signature")]


def body_in(arrived: Any) -> bytes:
    return base64.b64decode(arrived["body_base64"])


def form_in(arrived: Any) -> list[tuple[str, str]]:
    return parse_qsl(body_in(arrived).decode(), keep_blank_values=True)


@pytest.mark.parametrize("own", ["", "?own=1"])
async def test_a_question_mark_before_the_params_is_the_one_behind_the_path(
    signing: RESTManager, exchange: MockExchange, own: str
) -> None:
    arrived = await echo(signing, exchange, f"x{own}", params="?a=1&b=%2C")
    path, mark, query = arrived["raw_path"].partition("?")
    assert (path, mark) == ("/v1/echo/x", "?")
    assert query.startswith("own=1&a=1&b=%2C" if own else "a=1&b=%2C")


def test_a_second_question_mark_in_a_url_is_signed_and_sent() -> None:
    scheme = HeaderSignature(message="{path_qs}", headers={"X": "{signature}"})
    auth = SchemeAuth(Credentials(key="key-0123", secret="secret-0123"), scheme)
    request = RESTRequest(RESTMethod.GET, "https://h.example/x??a=1")
    draft = [draft for _, draft in scheme.steps(request, auth.identity)][-1]
    assert draft.string_to_sign == request.path_qs == "/x??a=1"


PLACES: dict[str, tuple[Callable[[str], Call], Callable[[Any, str], bool]]] = {
    "param value": (
        lambda text: {"params": {"a": text, "b": f"1{text}2"}},
        lambda arrived, text: pairs_in(arrived) == [("a", text), ("b", f"1{text}2")],
    ),
    "param name": (
        lambda text: {"params": {f"1{text}2": "v"}},
        lambda arrived, text: pairs_in(arrived) == [(f"1{text}2", "v")],
    ),
    "json body": (
        lambda text: {"data": {text: [text, {"nested": text}]}},
        lambda arrived, text: json.loads(body_in(arrived)) == {text: [text, {"nested": text}]},
    ),
    "form body": (
        lambda text: {"data": {f"n{text}": text}, "headers": FORM},
        lambda arrived, text: form_in(arrived) == [(f"n{text}", text)],
    ),
    "text body": (
        lambda text: {"data": text, "headers": PLAIN},
        lambda arrived, text: body_in(arrived) == text.encode(),
    ),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("characters", [PRINTABLE_ASCII, CONTROLS, ALL_PLANES + AWKWARD])
async def test_every_character_is_signed_as_it_is_sent(
    signing: RESTManager, exchange: MockExchange, place: str, characters: list[str]
) -> None:
    call_with, arrived_whole = PLACES[place]
    for character in characters:
        arrived = await echo(signing, exchange, **call_with(character))
        assert arrived_whole(arrived, character), (character, arrived)


@pytest.mark.parametrize("characters", [PRINTABLE_ASCII, CONTROLS, ALL_PLANES + AWKWARD])
async def test_every_character_in_a_path_is_signed_as_it_is_sent(
    signing: RESTManager, exchange: MockExchange, characters: list[str]
) -> None:
    for character in characters:
        arrived = await echo(signing, exchange, f"a{character}b")
        path, _, query = arrived["raw_path"].partition("?")
        if character == "?":
            assert (path, query.partition("&")[0]) == ("/v1/echo/a", "b"), arrived
        else:
            assert unquote(path) == f"/v1/echo/a{character}b", (character, arrived)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(path=TEXT, name=TEXT, value=TEXT, texts=st.lists(TEXT, max_size=3), own=TEXT)
@example(path="%", name="%41", value="%2", texts=["&=+#;"], own="a=b&c")
@example(path="..//./\\", name="", value="", texts=[], own="?#")
@example(path="%zz%4", name="+ ", value="\r\nX: y", texts=["\x00"], own="%")
async def test_any_text_anywhere_is_signed_as_it_is_sent(
    signing: RESTManager,
    exchange: MockExchange,
    path: str,
    name: str,
    value: str,
    texts: list[str],
    own: str,
) -> None:
    params = [(name, value), *((name, text) for text in texts)]
    sent_path = path.replace("?", "")
    arrived = await echo(
        signing, exchange, f"{sent_path}?{own}", params=params, data={name: [value, texts]}
    )
    assert pairs_in(arrived)[-len(params) :] == params
    assert json.loads(body_in(arrived)) == {name: [value, texts]}


WIRE_TABLE: list[tuple[str, Any, str]] = [
    # path and own query, params, the target on the request line
    ("/a b", None, "/a%20b"),
    ("/a%20b", None, "/a%20b"),
    ("/%41%2f%2F", None, "/%41%2f%2F"),  # an author's escapes are the author's
    ("/%", None, "/%25"),
    ("/%4", None, "/%254"),
    ("/%zz", None, "/%25zz"),
    ("/a#b?c#d", None, "/a%23b?c%23d"),
    ("/a\\b", None, "/a%5Cb"),
    ("/../a/./b/..", None, "/../a/./b/.."),
    ("//a//", None, "//a//"),
    ("", None, "/"),
    ("?", None, "/"),
    ("?a=1", None, "/?a=1"),
    ("#a", None, "/%23a"),
    ("/p", {}, "/p"),
    ("/p", "", "/p"),
    ("/p?a=1&a=2", {"a": "3"}, "/p?a=1&a=2&a=3"),
    ("/p?b=%2C,", {"c": ","}, "/p?b=%2C,&c=%2C"),
    ("/p", {"empty": "", "none": None, "zero": 0}, "/p?empty=&zero=0"),
    ("/p", {"a": ["1", "2"], "b": ("3",)}, "/p?a=1&a=2&b=3"),
    ("/p", [("a", "1"), ("b", "2"), ("a", "3")], "/p?a=1&b=2&a=3"),
    ("/p", "a=%41&b=c%2Cd", "/p?a=%41&b=c%2Cd"),
    ("/p", "a=b c&d=%", "/p?a=b%20c&d=%25"),
    (
        "/p",
        {"a": True, "b": 1.5, "c": 0.00001, "d": 10**9},
        "/p?a=true&b=1.5&c=0.00001&d=1000000000",
    ),
    ("/p", {"q": "~-._!'()*"}, "/p?q=~-._%21%27%28%29%2A"),
    ("/p", {"q": "@:/?,$+;=&"}, "/p?q=%40%3A%2F%3F%2C%24%2B%3B%3D%26"),
]


@pytest.mark.parametrize(("tail", "params", "target"), WIRE_TABLE)
async def test_the_request_line_is_exactly_what_the_request_says(
    tail: str, params: Any, target: str
) -> None:
    async with RawServer(answering(answer())) as server, rest_manager() as manager:
        await manager.execute_request(server.url + tail, LIMIT_ID, params=params)
        line = server.requests[0].partition(b"\r\n")[0]
    assert line == f"GET {target} HTTP/1.1".encode()


@pytest.mark.parametrize(("tail", "params", "target"), WIRE_TABLE)
async def test_each_of_these_targets_verifies(
    signing: RESTManager, exchange: MockExchange, tail: str, params: Any, target: str
) -> None:
    arrived = await echo(signing, exchange, f"x{tail}", params=params)
    expected = f"/v1/echo/x{target}" if tail[:1] == "/" else f"/v1/echo/x{target[1:]}"
    assert arrived["raw_path"].startswith(expected)


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "127.0.0.1"])
async def test_a_signer_reads_the_host_header_that_is_sent(host: str) -> None:
    class HostAuth(HeaderHmac):
        async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
            request.headers = {"X-Signed-Host": request.host}
            return request

    async with (
        RawServer(answering(answer())) as server,
        rest_manager(HostAuth("key", "secret")) as manager,
    ):
        await manager.execute_request(
            f"http://{host}:{server.port}/", LIMIT_ID, is_auth_required=True
        )
        expected = f"{host.lower()}:{server.port}"
        for name in ("Host", "X-Signed-Host"):
            assert f"\r\n{name}: {expected}\r\n".encode() in server.requests[0]
