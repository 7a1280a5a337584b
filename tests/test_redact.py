"""What may be shown is known by name; whatever is not known is hidden."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from networkpype.redact import (
    body_pairs,
    escape,
    mask_pairs,
    mask_url,
    scrub,
    secret_values,
)

TOKEN = "0123456789abcdef" * 4
SECRET = st.text("abcdefghijklmnopqrstuvwxyzABC0123456789", min_size=12, max_size=80)

URLS = [
    ("https://h/v1/order?symbol=BTC&signature=abc", "https://h/v1/order?symbol=BTC&signature=***"),
    ("https://h/?SYMBOL=BTC&recvWindow=5&order-type=x", "https://h/?SYMBOL=BTC&recvWindow=5&order-type=x"),
    ("https://h/?a=1&b=", "https://h/?a=***&b="),
    ("https://h/?listenKey=abc", "https://h/?listenKey=***"),
    ("https://h/?x=a=b=c", "https://h/?x=***"),
    (f"https://h/?{TOKEN}", "https://h/?***"),
    ("https://h/?ping", "https://h/?ping"),
    (f"wss://h/ws/{TOKEN}", "wss://h/ws/***"),
    (f"wss://h//{TOKEN}/x", "wss://h//***/x"),
    (f"/ws/{TOKEN}", "/ws/***"),
    (f"https://h/bot{TOKEN[:20]}:{TOKEN[:20]}/send", "https://h/***/send"),
    ("https://h/v1/order/0f8fad5b-d9cb-469f-a165-70867728950e", None),
    ("https://user:pass@h/v1", "https://h/v1"),
    ("https://user:p@ss@h/v1", "https://h/v1"),
    ("https://user:pa/ss@h/v1", "https://h/v1"),
    ("https://user:pa?ss@h/v1", "https://h/v1"),
    ("https://user:pa#ss@h/v1", "https://h/v1"),
    ("https://token@h/v1", "https://h/v1"),
    ("wss://h/ws/btcusdt@trade", None),
    ("wss://h:9443/ws/btcusdt@trade", None),
    ("http://[::1]:8080/ws/btcusdt@trade", None),
    ("https://h/p#access_token=abc&symbol=BTC", "https://h/p#access_token=***&symbol=BTC"),
    ("https://h/?symbol=BTC#token=abc", "https://h/?symbol=BTC#token=***"),
    ("https://h/a\r\nb\x1b", "https://h/a\\x0d\\x0ab\\x1b"),
    ("https://" + "sub." * 20 + "example.com/v1", None),
    ("https://h/?symbol=BTC;token=abc", "https://h/?symbol=BTC;token=***"),
    ("https://h/?symbol=BTC,token=abc", "https://h/?symbol=***"),
    (f"https://h/ws/{TOKEN[:32]}/x", "https://h/ws/***/x"),
    (f"https://h/ws/{TOKEN[:24]}", "https://h/ws/***"),
    (f"https://h/ws/{TOKEN[:23]}", None),
    ("https://h/v1/exchange-information-details/" + "1" * 39, None),
    ("https://h/v1/0f8fad5b-d9cb-469f-a165-70867728950e-1", "https://h/v1/***"),
    ("wss://h/ws/1000shibusdt_perpetual@depth20@100ms", None),
    ("", ""),
]  # fmt: skip


@pytest.mark.parametrize(("url", "shown"), URLS, ids=lambda url: str(url)[:30])
def test_a_url_shows_what_is_known_to_be_harmless(url: str, shown: str | None) -> None:
    assert mask_url(url) == (url if shown is None else shown)


def test_a_very_long_url_is_cut() -> None:
    assert len(mask_url("https://h/" + "a/" * 10_000)) < 600


@pytest.mark.parametrize(
    "url",
    [
        f"https://user:{'x' * 3000}@h/",
        f"https://{'x/' * 1500}{TOKEN}@h/",
        # Masking shortens what stands before the cut, which goes through the last token.
        "https://h" + f"/{TOKEN}" * 100,
        "https://h/" + "x" * 3000,
        "x" * 3000,
    ],
    ids=lambda url: url[:20],
)
def test_the_cut_of_a_long_url_shows_no_part_of_a_token(url: str) -> None:
    assert TOKEN[:4] not in mask_url(url)
    assert "xx" not in mask_url(url)
    assert "***" in mask_url(url)


def test_a_long_url_does_not_hold_up_the_event_loop() -> None:
    """The search for user info is quadratic, which at this length took five seconds."""
    started = time.process_time()
    mask_url("://:" * 16_000)
    assert time.process_time() - started < 0.5


@given(secret=SECRET, name=st.sampled_from(["signature", "apiKey", "x", "sign", "token", "passwd"]))
def test_no_secret_in_a_query_is_shown(secret: str, name: str) -> None:
    for url in (
        f"https://h/?{name}={secret}",
        f"https://h/?symbol=BTC&{name}={secret}&side=BUY",
        f"https://h/?{secret}",
        f"https://h/#{name}={secret}",
        f"https://user:{secret}@h/",
        f"https://{secret}@h/",
    ):
        assert secret not in mask_url(url)


def test_pairs_keep_their_order_and_names() -> None:
    assert mask_pairs("b=1&a=2&side=BUY&b=3") == "b=***&a=***&side=BUY&b=***"


def test_foreign_text_cannot_move_the_cursor_or_begin_a_line() -> None:
    assert escape("a\r\n\x00\x1b[31m\x7f\x85\x9b\u2028\u2029b\tc") == (
        "a\\x0d\\x0a\\x00\\x1b[31m\\x7f\\x85\\x9b\\x2028\\x2029b\\x09c"
    )
    assert escape("ünï 中 😀") == "ünï 中 😀"
    assert escape("x" * 3000) == "x" * 2000 + "... (3000 characters)"
    assert escape("abcdef", limit=3) == "abc... (6 characters)"


def test_scrubbing_masks_the_longest_first_and_leaves_short_words_alone() -> None:
    text = "key abcdefgh and abcdefghijkl, BTC, 123456"
    assert scrub(text, ["abcdefgh", "abcdefghijkl", "BTC", "", "a"]) == (
        "key *** and ***, BTC, 123456"
    )
    assert scrub(text, ["123456"]).endswith("BTC, ***")
    assert scrub(text, []) == text


@pytest.mark.parametrize(
    "echoed",
    [
        "ab+/cd==ef",
        quote("ab+/cd==ef", safe=""),
        quote("ab+/cd==ef", safe="").lower(),
        "ab+\\/cd==ef",  # as PHP writes JSON
        "ab\\u002B/cd\\u003d\\u003Def",
        "AB+/CD==EF",
        "ab+%2Fcd=%3Def",
        "ab /cd==ef",  # as a form is decoded
    ],
)
def test_a_secret_is_found_in_each_way_a_server_writes_it(echoed: str) -> None:
    from_query = secret_values([("sign", quote("ab+/cd==ef", safe=""))], {})
    from_header = secret_values([], {"X-Sign": "ab+/cd==ef"})
    from_words = secret_values([], {"Authorization": "HMAC key=12345678, sign=ab+/cd==ef"})
    for secrets in (from_query, from_header, from_words):
        assert scrub(f"é 5% {echoed} \\n", [*secrets, "none"]).startswith("é 5% ***")
        assert "cd" not in scrub(f"bad signature {echoed}", secrets)


def test_a_secret_with_an_escape_of_its_own_is_found_as_it_is_and_escaped() -> None:
    for text in ("a\\b%c+d%41", "a\\\\b%c+d%41", "a%5Cb%25c%2Bd%2541"):
        assert scrub(f"<{text}>", ["a\\b%c+d%41"]) == "<***>"
    assert scrub("<kéy-schlüssel>, <k%C3%A9y-schl\\u00fcssel>", ["kéy-schlüssel"]) == (
        "<***>, <***>"
    )


def test_overlapping_secrets_leave_nothing_of_either() -> None:
    assert scrub("-abcdefghij-", ["abcdefg", "defghij"]) == "-***-"
    text = ", ".join(f"secret{number}" for number in range(9))
    assert scrub(text, text.split(", ")) == ", ".join(["***"] * 9)


def test_what_nobody_will_be_shown_is_masked_unseen() -> None:
    for length in (10, 600, 6000):
        long = "s3cr3t" * length
        shown = scrub(f"{long} {'.' * 100_000} {long}", [long])
        assert shown.startswith("***")
        assert shown.endswith("***")
        assert "s3cr" not in shown
    text = "." * 3998 + "s3cr3t-key" + "." * 100
    assert scrub(text, ["s3cr3t-key"]).startswith("." * 3998 + "***")
    assert "s3cr" not in scrub(text, ["s3cr3t-key"])
    assert len(scrub("." * 100_000, ["s3cr3t-key"])) == 100_000, "how long it was stays known"


def test_harmless_values_are_no_secrets() -> None:
    assert secret_values([("symbol", "BTCUSDT")], {"Content-Type": "application/json"}) == set()
    assert secret_values([], {}, "/v1/order", "symbol=BTC&limit=5&ping") == set()
    assert "the-token" in secret_values([], {"Authorization": "Bearer the-token"})


def test_the_secrets_of_a_url_are_those_that_are_masked() -> None:
    url = f"/ws/{TOKEN}", f"symbol=BTC;token=abcdef&{TOKEN[:9]}"
    assert secret_values([], {}, *url) == {TOKEN, "abcdef", TOKEN[:9]}
    assert "abcdef" in secret_values([("symbol", "BTC;token=abcdef")], {})


@pytest.mark.parametrize(
    "data",
    [
        {"api": {"key": "the-key"}, "list": [{"sign": "the-sign"}], "n": 5, "none": None},
        json.dumps({"api": {"key": "the-key"}, "list": [{"sign": "the-sign"}]}),
        b"key=the-key&sign=the-sign",
        [("key", "the-key"), ("sign", "the-sign")],
        '["the-key", "the-sign"]',
    ],
)
def test_the_texts_of_a_body_are_found_in_every_form(data: Any) -> None:
    assert {"the-key", "the-sign"} <= secret_values(body_pairs(data), {})


def test_what_is_no_container_of_texts_holds_none() -> None:
    for data in (None, 5, True, "", "plain words", b"\xff\xfe", "[" * 100_000, b"a=" * 100_000):
        assert list(body_pairs(data)) == []
