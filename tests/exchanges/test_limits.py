"""What each exchange tells about its limits, as its page shows it, in a throttler that listens."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from multidict import CIMultiDict

from networkpype import AsyncThrottler, ConfigurationError, LinkedLimitWeightPair, RateLimit
from networkpype.exchanges import limits, names
from networkpype.exchanges.limits import learners_of
from networkpype.testing.virtual_time import run_in_virtual_time
from networkpype.throttler.learning import LONGEST_PAUSE_S, Answer, Remaining

DATE = "Fri, 21 Nov 2025 02:40:00 GMT"
NOW_S = 1_763_692_800
"""The same, as a Unix time."""


def told(status: int = 200, body: Any = b"", **headers: Any) -> Answer:
    named = {name.replace("_", "-"): str(value) for name, value in headers.items()}
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, CIMultiDict(named), raw)


class Case(NamedTuple):
    """An answer to a call under "call", and how full, or how long quiet, each limit is then.

    Of what is not named one unit is used by "call" and "whole", which it is linked to, and nothing
    is quiet.
    """

    exchange: str
    told: Answer
    used: Mapping[str, int] = MappingProxyType({})
    quiet: Mapping[str, float] = MappingProxyType({})
    headers: Mapping[str, str] = MappingProxyType({})


ALL = ("call", "named", "other", "whole")
WEIGHT = "X-MBX-USED-WEIGHT-1M"
ORDERS = "X-MBX-ORDER-COUNT-10S"


def everywhere(seconds: float) -> dict[str, float]:
    return dict.fromkeys(ALL, seconds)


def gate_429(left: int, until: object, date: str = DATE) -> Answer:
    return told(
        429,
        X_Gate_RateLimit_Requests_Remain=left,
        X_Gate_RateLimit_Limit=200,
        X_Gate_RateLimit_Reset_Timestamp=until,
        Date=date,
    )


CASES = [
    Case("binance", told(X_MBX_USED_WEIGHT_1M=41), {"whole": 41}),
    Case(
        "binance",
        told(X_MBX_USED_WEIGHT_1M=41, X_MBX_ORDER_COUNT_10S=7, X_MBX_ORDER_COUNT_1D=9),
        {"whole": 41, "named": 7, "other": 9},
        headers={ORDERS: "named", "X-MBX-ORDER-COUNT-1D": "other"},
    ),
    Case("binance-usdm", told(X_MBX_USED_WEIGHT_1M=41), {"whole": 41}),
    Case(
        "binance-usdm",
        told(X_MBX_ORDER_COUNT_1M=7, X_MBX_USED_WEIGHT_1M=3),
        {"named": 7, "other": 3},
        headers={"x-mbx-order-count-1m": "named", WEIGHT: "other"},
    ),
    Case("binance-margin", told(X_SAPI_USED_IP_WEIGHT_1M=50), {"call": 50}),
    Case("binance-margin", told(X_SAPI_USED_UID_WEIGHT_1M=60), {"call": 60}),
    Case("bingx", told(X_RateLimit_Requests_Remain=499), {"call": 1}),
    Case("bingx", told(X_RateLimit_Requests_Remain=380), {"call": 120}),
    Case(
        "bingx",
        told(
            Date=DATE,
            body={
                "code": 100410,
                "msg": "code:100410:The endpoint trigger frequency limit rule is currently in the "
                f"disabled period and will be unblocked after {NOW_S}249",
            },
        ),
        quiet={"call": 0.249},
    ),
    Case(
        "bingx",
        told(
            Date=DATE,
            body={
                "code": 100410,
                "msg": "over 20 error code:100202 requests within 480000 ms for this api, please "
                f"verify and fix it ,can retry after time: {NOW_S + 97}155",
            },
        ),
        quiet={"call": 97.155},
    ),
    Case("bingx", told(body={"code": 100410, "msg": "rate limited"}), quiet={"call": 300}),
    Case(
        "bingx",
        told(Date=DATE, body={"code": 100410, "msg": f"after {NOW_S + 9999}000"}),
        quiet={"call": 600},
    ),
    Case("bitfinex", told(400, {"error": "ERR_RATE_LIMIT"}), quiet=everywhere(60)),
    Case("bitget", told(x_mbx_used_remain_limit=490), {"call": 10}),
    Case(
        "bitmart",
        told(X_BM_RateLimit_Remaining=10, X_BM_RateLimit_Limit=600, X_BM_RateLimit_Reset=60),
        {"call": 10},
    ),
    Case("bitmart-contract", told(X_BM_RateLimit_Remaining=10), {"call": 10}),
    Case("bitmex", told(x_ratelimit_limit=120, x_ratelimit_remaining=58), {"whole": 62}),
    Case("bitmex", told(x_ratelimit_limit=10**6, x_ratelimit_remaining=10**6 - 9), {"whole": 9}),
    Case(
        "bitmex",
        told(x_ratelimit_remaining_1s=490),
        {"named": 10},
        headers={"x-ratelimit-remaining-1s": "named"},
    ),
    Case("bybit", told(X_Bapi_Limit=120, X_Bapi_Limit_Status=118), {"call": 2}),
    Case(
        "bybit",
        told(Date=DATE, X_Bapi_Limit_Reset_Timestamp=1672738134824, X_Bapi_Limit_Status=499),
    ),
    Case(
        "bybit",
        told(
            Date=DATE,
            X_Bapi_Limit=100,
            X_Bapi_Limit_Status=0,
            X_Bapi_Limit_Reset_Timestamp=f"{NOW_S + 1}824",
            body={"retCode": 10006, "retMsg": "Too many visits!", "result": {}},
        ),
        {"call": 100},
        {"call": 1.824},
    ),
    Case(
        "bybit",
        told(
            Date=DATE,
            X_Bapi_Limit_Reset_Timestamp=f"{NOW_S + 3600}824",
            body={"retCode": 10006, "retMsg": "Too many visits!"},
        ),
        quiet={"call": 5},
    ),
    Case("bybit", told(body={"retCode": 10006}), quiet={"call": 1}),
    Case("bybit", told(body=b'{"retCode":10006}'.ljust(512)), quiet={"call": 1}),
    Case("bybit", told(403, b"403, access too frequent"), quiet=everywhere(600)),
    Case("coinex", told(X_RateLimit_Limit=30, X_RateLimit_Remaining=28), {"call": 2}),
    Case(
        "coinex",
        told(X_RateLimit_LongPeriod_24H_Remaining=450),
        {"named": 50},
        headers={"X-RateLimit-LongPeriod-24H-Remaining": "named"},
    ),
    Case(
        "coinex",
        told(body={"code": 4213, "data": {}, "message": "request too frequent"}),
        quiet={"call": 1},
    ),
    Case("coinex-futures", told(body={"code": 4213, "data": {}}), quiet={"call": 1}),
    Case("coinex-futures", told(X_RateLimit_Limit=30, X_RateLimit_Remaining=28), {"call": 2}),
    Case(
        "coinex-futures",
        told(X_RateLimit_LongPeriod_1H_Remaining=450),
        {"named": 50},
        headers={"X-RateLimit-LongPeriod-1H-Remaining": "named"},
    ),
    Case(
        "deribit",
        told(400, {"jsonrpc": "2.0", "error": {"code": 10028, "message": "too_many_requests"}}),
        quiet={"whole": 1},
    ),
    Case(
        "gate",
        told(X_Gate_RateLimit_Requests_Remain=198, X_Gate_RateLimit_Limit=200),
        {"call": 2},
    ),
    Case(
        "gate",
        told(
            X_Gate_RateLimit_Requests_Remain=0,
            X_Gate_RateLimit_Limit=200,
            X_Gate_RateLimit_Reset_Timestamp=NOW_S + 1,
            Date=DATE,
        ),
        {"call": 200},
    ),
    Case("htx", told(X_HB_RateLimit_Requests_Remain=490), {"call": 10}),
    Case("htx-contract", told(ratelimit_limit=72, ratelimit_remaining=70), {"call": 2}),
    Case(
        "htx-contract",
        told(
            body={"status": "error", "err_code": 1032, "err_msg": "The number of access exceeded"}
        ),
        quiet={"call": 3},
    ),
    Case("htx-contract", told(body={"status": "error", "err-code": 1032}), quiet={"call": 3}),
    Case("kraken", told(body={"error": ["EAPI:Rate limit exceeded"]}), quiet={"whole": 5}),
    Case("kraken", told(body={"error": ["EOrder:Rate limit exceeded"]}), quiet={"call": 1}),
    Case(
        "kraken",
        told(Date=DATE, body={"error": [f"EService: Throttled: {NOW_S + 11}"]}),
        quiet={"whole": 11},
    ),
    Case(
        "kraken",
        told(Date=DATE, body={"error": [f"EService:Throttled:{NOW_S + 9999}"]}),
        quiet={"whole": 60},
    ),
    Case("kraken", told(body={"error": [f"EService: Throttled: {NOW_S}"]}), quiet={"whole": 5}),
    Case(
        "kraken",
        told(Date=DATE, body={"error": [f"EService: Throttled: {NOW_S}"]}),
        quiet={"whole": 5},
    ),
    Case(
        "krakenfutures",
        told(body={"result": "error", "error": "apiLimitExceeded", "serverTime": "2016-02-25"}),
        quiet={"whole": 10},
    ),
    Case("kucoin", told(gw_ratelimit_limit=4000, gw_ratelimit_remaining=3800), {"whole": 200}),
    Case(
        "kucoin",
        told(gw_ratelimit_limit=400, gw_ratelimit_remaining=0, gw_ratelimit_reset=1489),
        {"whole": 400},
        {"whole": 1.489},
    ),
    Case(
        "kucoin",
        told(gw_ratelimit_limit=500, gw_ratelimit_remaining=0, gw_ratelimit_reset=99999999),
        {"whole": 500},
        {"whole": 30},
    ),
    Case("kucoin", told(body={"code": "200002", "msg": "Too many"}), quiet={"call": 10}),
    Case("kucoin", told(403, b"error code: 1015"), quiet=everywhere(30)),
    Case(
        "kucoin-futures", told(gw_ratelimit_limit=4000, gw_ratelimit_remaining=3800), {"whole": 200}
    ),
    Case(
        "kucoin-futures",
        told(gw_ratelimit_remaining=0, gw_ratelimit_reset=1489),
        {"whole": 500},
        {"whole": 1.489},
    ),
    Case("kucoin-futures", told(body={"code": "200002"}), quiet={"call": 10}),
    Case("kucoin-futures", told(403, b"error code: 1015"), quiet=everywhere(30)),
    Case("mexc-contract", told(body={"success": False, "code": 510}), quiet={"call": 2}),
    Case("okx", told(body={"code": "50011", "msg": "Rate limit reached."}), quiet={"call": 2}),
    Case("okx", told(body={"code": "50061", "msg": "", "data": []}), quiet={"call": 2}),
    Case(
        "okx",
        told(body={"code": "2", "data": [{"sCode": "0"}, {"sCode": "50061", "sMsg": "n" * 2000}]}),
        quiet={"call": 2},
    ),
    *(
        Case(
            "phemex",
            told(
                **{
                    f"x-ratelimit-remaining{group}": 398,
                    f"x-ratelimit-capacity{group}": 400,
                }
            ),
            {"call": 2},
        )
        for group in ("", "-contract", "-spotOrder", "-CONTRACT")
    ),
]

UNTOLD = {"call": 60.0, "whole": 60.0}
"""What the throttler does by itself after a 429 that tells no time: a minute at most."""

REFUSED = [
    Case("gate", gate_429(0, NOW_S + 7), {"call": 200}, {"call": 7}),
    Case("gate", gate_429(0, NOW_S + 3600), {"call": 200}, {"call": 10}),
    Case("gate", gate_429(1, NOW_S + 7), {"call": 199}, UNTOLD),
    Case("gate", gate_429(0, NOW_S), {"call": 200}, UNTOLD),
    Case("gate", gate_429(0, "soon"), {"call": 200}, UNTOLD),
    Case("gate", gate_429(0, NOW_S + 7, ""), {"call": 200}, UNTOLD),
    Case("gate", gate_429(0, NOW_S + 7, DATE.replace("GMT", "-0000")), {"call": 200}, UNTOLD),
    *(
        Case("phemex", told(429, **{f"x-ratelimit-retry-after{group}": 7}), quiet={"call": 7})
        for group in ("", "-contract", "-spotOrder")
    ),
    Case("phemex", told(429, **{"x-ratelimit-retry-after": 3600}), quiet={"call": 60}),
    Case("phemex", told(429, **{"x-ratelimit-retry-after": "nan"}), quiet=UNTOLD),
    Case("kucoin", told(429, b"error code: 1015"), quiet=everywhere(30)),
    Case("okx", told(429, {"code": "50011"}), quiet={"call": 2}),
    # Where Retry-After asks for more, of the limits that are meant.
    Case("okx", told(429, {"code": "50011"}, Retry_After=9), quiet={"call": 9}),
    Case("okx", told(429, {"code": "50011"}, Retry_After=1), quiet={"call": 2}),
    Case("okx", told(429, {"code": "50011"}, Retry_After=1e12), quiet={"call": LONGEST_PAUSE_S}),
    Case("okx", told(200, {"code": "50011"}, Retry_After=9), quiet={"call": 2}),
    Case("kucoin", told(429, b"error code: 1015", Retry_After=45), quiet=everywhere(45)),
    # A ban is for all.
    Case("okx", told(418, {"code": "50011"}, Retry_After=9), quiet=everywhere(9)),
    Case("kucoin", told(418, b"error code: 1015", Retry_After=9), quiet=everywhere(30)),
]
"""With 429, where the throttler is quiet by itself unless the row tells for how long."""

NOTHING = [
    # No more than the page says: other codes, other places, and what cannot be.
    Case("binance", told(X_MBX_ORDER_COUNT_10S=7)),
    Case("binance", told(X_MBX_USED_WEIGHT_1M="1e300")),
    Case("binance", told(X_MBX_USED_WEIGHT_1M=1_000_001)),
    Case("binance", told(X_MBX_USED_WEIGHT_1M=-1)),
    Case("binance", told(X_MBX_USED_WEIGHT_1M="inf")),
    Case("binance", told(X_MBX_USED_WEIGHT_1M="many")),
    Case("bingx", told(body={"code": 0, "data": {"code": 100410}})),
    Case("bingx", told(body={"code": 100400, "msg": 'had {"code":100410'})),
    Case("bitfinex", told(body=[["note", "ERR_RATE_LIMIT"]])),
    Case("bitmex", told(x_ratelimit_remaining_1s=0)),
    Case("bitmex", told(x_ratelimit_limit=120, x_ratelimit_remaining=121)),
    Case("bitmex", told(x_ratelimit_limit=1e12, x_ratelimit_remaining=0)),
    Case("bitmex", told(x_ratelimit_limit="", x_ratelimit_remaining=0)),
    Case("bybit", told(body={"retCode": 0, "result": {"retCode": 10006}})),
    Case("bybit", told(body={"retCode": 100061})),
    Case("bybit", told(body=b'{"retCode":10006')),
    Case("bybit", told(body=b'{"retCode":10006}'.ljust(513))),
    Case("coinex", told(X_RateLimit_LongPeriod_24H_Remaining=0)),
    Case("coinex", told(body={"code": 4214})),
    Case("deribit", told(body={"result": {"code": 10028}})),
    Case("deribit", told(body={"error": "10028", "code": 10028})),
    Case("kraken", told(body={"error": [], "result": "EAPI:Rate limit exceeded"})),
    Case("kraken", told(body={"error": ["EService: Throttled: soon"]})),
    Case("kraken", told(body={"error": "EService: Throttled: 1"})),
    Case("krakenfutures", told(body={"result": "success", "note": "apiLimitExceeded"})),
    Case("kucoin", told(gw_ratelimit_remaining=499, gw_ratelimit_reset=1489)),
    Case("kucoin", told(body={"code": "200000", "data": "200002"})),
    Case("kucoin", told(200, b'"error code: 1015"')),
    Case("okx", told(body={"code": "0", "data": [{"sCode": "50011"}]})),
    Case("okx", told(body={"code": "1", "data": [{"clOrdId": "50011", "sCode": "51000"}]})),
    Case("okx", told(body={"code": "1", "data": "50011"})),
    Case("whitebit", told(422, {"code": 0, "message": "Too many requests."})),
]


def throttler(case: Case, whole: str | None) -> AsyncThrottler:
    return AsyncThrottler(
        [
            RateLimit("whole", 500, 600),
            RateLimit("call", 500, 600, 1, [LinkedLimitWeightPair("whole", 1)]),
            RateLimit("named", 500, 600),
            RateLimit("other", 500, 600),
        ],
        safety_margin_pct=0,
        learn_from=learners_of(case.exchange, whole, headers=case.headers),
    )


def outcome(case: Case, whole: str | None = "whole") -> dict[str, tuple[float, float]]:
    """Return how full each limit is after the answer, and for how long it is quiet."""

    async def call() -> dict[str, tuple[float, float]]:
        limited = throttler(case, whole)
        async with limited.in_flight("call") as slot:
            slot.land(case.told)
        shown = limited.snapshot()
        return {name: (shown[name].used, round(shown[name].blocked_s, 6)) for name in ALL}

    return run_in_virtual_time(call())


def expected(case: Case) -> dict[str, tuple[float, float]]:
    used = {"call": 1, "whole": 1, **case.used}
    return {name: (used.get(name, 0), case.quiet.get(name, 0)) for name in ALL}


@pytest.mark.parametrize("case", CASES, ids=[case.exchange for case in CASES])
def test_an_answer_as_the_page_shows_it_corrects_or_blocks(case: Case) -> None:
    assert outcome(case) == expected(case)


@pytest.mark.parametrize("case", NOTHING, ids=[case.exchange for case in NOTHING])
def test_what_the_page_does_not_say_is_not_read(
    case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    assert outcome(case) == expected(case)
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("case", REFUSED, ids=[case.exchange for case in REFUSED])
def test_a_wait_that_stands_elsewhere_than_in_retry_after_is_kept(case: Case) -> None:
    assert outcome(case) == expected(case)


def test_each_row_is_told_of_by_a_case_that_fails_without_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = {name: limits._TELLS[name] for name in names()}
    assert rows == limits._TELLS
    for name, mine in rows.items():
        for row in mine:
            rest = tuple(each for each in mine if each is not row)
            monkeypatch.setitem(limits._TELLS, name, rest)
            cases = [case for case in (*CASES, *REFUSED) if case.exchange == name]
            assert any(fails(case) for case in cases), (name, row)
        monkeypatch.setitem(limits._TELLS, name, mine)


def fails(case: Case) -> bool:
    try:
        return outcome(case) != expected(case)
    except ConfigurationError:
        return True  # it names a header that is not there any more


@pytest.mark.parametrize("name", ["binance", "bitmex", "kucoin"])
def test_what_counts_the_whole_is_of_the_call_where_no_limit_is_given(name: str) -> None:
    for case in CASES:
        if case.exchange == name and set(case.used) == {"whole"} and not case.quiet:
            moved = case._replace(used={"call": case.used["whole"]})
            assert outcome(case, None) == expected(moved)


def test_a_pause_of_the_whole_is_of_the_call_where_no_limit_is_given() -> None:
    case = Case("kraken", told(body={"error": ["EAPI:Rate limit exceeded"]}), quiet={"call": 5})
    assert outcome(case, None) == expected(case)


@pytest.mark.parametrize("name", names())
def test_an_ordinary_answer_is_not_decoded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[bytes] = []
    monkeypatch.setattr(limits, "loads", decoded.append)
    rows = [{"instId": f"BTC-{n}", "last": 50011.5, "px": "4213", "ts": 10006} for n in range(15)]
    packed = b'{"code":"0","data":[{"clOrdId":"50011"}]}'
    for body in ({"code": "0", "data": rows}, {"code": 0, "data": rows[:3]}, rows[:2], packed):
        case = Case(name, told(body=body))
        assert outcome(case) == expected(case)
    assert decoded == []


def test_every_exchange_is_known_and_a_wrong_name_is_guessed() -> None:
    assert [name for name in names() if not isinstance(learners_of(name), tuple)] == []
    assert learners_of("gemini") == learners_of("gemini", "ip") == ()
    assert (len(learners_of("binance")), len(learners_of("coinex"))) == (1, 2)
    with pytest.raises(ConfigurationError, match=r"no exchange 'binanec'; did you mean 'binance'"):
        learners_of("binanec")


@pytest.mark.parametrize(
    ("name", "headers", "says"),
    [
        ("binance", {"X-MBX-ORDER-COUNT": "orders"}, "binance has no header 'X-MBX-ORDER-COUNT'; "),
        ("bitmex", {"x-ratelimit-reset": "orders"}, "it has x-ratelimit-remaining, x-ratelimit-"),
        ("gemini", {"Retry-After": "orders"}, "it has none"),
        ("binance", {ORDERS: 7}, "a limit id is a text, got 7"),
    ],
)
def test_a_header_that_the_exchange_has_not_is_refused(
    name: str, headers: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        learners_of(name, headers=headers)
    assert says in str(refused.value)


def test_a_limit_id_is_a_text() -> None:
    with pytest.raises(ConfigurationError, match="a limit id is a text, got 7"):
        learners_of("binance", 7)  # type: ignore[arg-type]


def test_a_limit_of_which_all_is_left_is_not_used() -> None:
    (learner,) = learners_of("bitmex")
    full = told(x_ratelimit_limit=120, x_ratelimit_remaining=120)
    assert learner(full, "call") == (Remaining("call", 120, 120),)
