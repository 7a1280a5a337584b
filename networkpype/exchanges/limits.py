"""What the answers of each exchange tell about its limits: data, a few rows an exchange."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any, TypeAlias

from networkpype.codec import loads
from networkpype.errors import ConfigurationError
from networkpype.status import retry_after_s
from networkpype.throttler.learning import (
    LONGEST_PAUSE_S,
    Answer,
    Learner,
    Lesson,
    Pause,
    Remaining,
    Used,
)
from networkpype.websocket.spoken import look_up

__all__ = ["learners_of"]

_REFUSED = frozenset({418, 429, 503})
_MOST_UNITS = 1_000_000
"""More than any of the pages below allows in any interval."""


def learners_of(
    name: str, limit_id: str | None = None, *, headers: Mapping[str, str] | None = None
) -> tuple[Learner, ...]:
    """Return what learns an exchange's limits from its answers, for ``learn_from=``.

    `limit_id` is your limit for what the exchange counts of a whole address, key or account, or of
    a pool of endpoints; the call's own where None. `headers` maps a header to the limit that it
    counts, and has to where an exchange counts several beside each other::

        learners_of("binance", "ip", headers={"X-MBX-ORDER-COUNT-10S": "orders"})

    Give the throttler the exchange's own limits, for many headers tell only how much is left. An
    exchange that says no more than is read anyhow (429, 418, Retry-After) has no learners. Raises
    ConfigurationError for an unknown name, and for a header that this exchange has not.
    """
    rows = look_up(name, _TELLS, "exchange")
    for told in (limit_id, *(headers or {}).values()):
        if told is not None and not isinstance(told, str):
            raise ConfigurationError(f"a limit id is a text, got {told!r}")
    left = dict(headers or {})
    learners = [learner for row in rows for learner in row.learners(limit_id, left)]
    if left:
        known = ", ".join(row.header for row in rows if isinstance(row, _Count)) or "none"
        raise ConfigurationError(f"{name} has no header {next(iter(left))!r}; it has {known}")
    return tuple(learners)


class _Of(Enum):
    """Whose limit it is."""

    CALL = "the limit id of the call: of its endpoint, its group"
    WHOLE = "one of the address, key, account or pool: `limit_id`"
    NAMED = "one of several: only `headers` can tell"
    ALL = "every limit"


@dataclass(frozen=True)
class _Count:
    """A header that counts what is left of a limit, or what is `used`, and learns it.

    Where it is one of several, `header` is a pattern. What cannot be is not learnt.
    """

    header: str
    of: _Of
    limit_header: str | None = None
    used: bool = False
    limit_id: str | None = None

    def learners(self, limit_id: str | None, named: dict[str, str]) -> Iterable[Learner]:
        mine = [each for each in named if re.fullmatch(self.header, each, re.IGNORECASE)]
        if mine:
            return [replace(self, header=each, limit_id=named.pop(each)) for each in mine]
        if self.of is _Of.NAMED:
            return []
        return [replace(self, limit_id=limit_id) if self.of is _Of.WHOLE else self]

    def __call__(self, answer: Answer, limit_id: str) -> Iterable[Lesson]:
        units = _number(answer, self.header)
        if not 0 <= units <= _MOST_UNITS:
            return ()
        mine = self.limit_id or limit_id
        if self.used:
            return (Used(mine, math.ceil(units)),)
        if self.limit_header is None or self.limit_header not in answer.headers:
            return (Remaining(mine, math.floor(units)),)
        limit = _number(answer, self.limit_header)
        if not units <= limit <= _MOST_UNITS:
            return ()
        return (Remaining(mine, math.floor(units), math.floor(limit)),)


_Seconds: TypeAlias = Callable[[Answer], "float | None"]
"""For how long an answer asks to be quiet; None where it does not."""


@dataclass(frozen=True)
class _Quiet:
    """A refusal, or a limit that is used up: pause."""

    seconds: _Seconds
    of: _Of
    limit_id: str | None = None

    def learners(self, limit_id: str | None, named: dict[str, str]) -> Iterable[Learner]:
        return [replace(self, limit_id=limit_id) if self.of is _Of.WHOLE else self]

    def __call__(self, answer: Answer, limit_id: str) -> Iterable[Lesson]:
        for_s = self.seconds(answer)
        # A ban of the address is for all, whatever else the answer says of one limit.
        if for_s is None or (answer.status == 418 and self.of is not _Of.ALL):
            return ()
        limits = None if self.of is _Of.ALL else (self.limit_id or limit_id,)
        # It takes the place of what the status says, and so of a Retry-After that asks for more.
        told_s = retry_after_s(answer.headers) if answer.status in _REFUSED else None
        return (Pause(limits, max(for_s, min(told_s or 0.0, LONGEST_PAUSE_S))),)


def _status(status: int, for_s: float) -> _Seconds:
    return lambda answer: for_s if answer.status == status else None


def _text(mark: bytes, for_s: float) -> _Seconds:
    """Find these words in an error, which need be no JSON."""
    return lambda answer: for_s if answer.status >= 400 and mark in answer.body else None


def _body(
    mark: bytes, says: Callable[[dict[str, Any], Answer], float | None], longest: int = 512
) -> _Seconds:
    """Read a refusal by this mark; a body that is longer is data, and costs no search."""
    found = re.compile(mark).search

    def seconds(answer: Answer) -> float | None:
        body = answer.body
        if len(body) > longest or found(body) is None:
            return None
        try:
            data = loads(body)
        except ValueError:
            return None
        return says(data, answer) if isinstance(data, dict) else None

    return seconds


def _code(path: str, code: int, for_s: float) -> _Seconds:
    """Find this code in a field such as ``error.code``."""
    fields = path.split(".")

    def says(data: Any, answer: Answer) -> float | None:
        for field in fields:
            data = data.get(field) if isinstance(data, dict) else None
        return for_s if data == code else None

    return _body(rf'"{fields[-1]}":\s*{code}\b'.encode(), says)


def _number(answer: Answer, header: str) -> float:
    """Read a header; NaN, which compares to nothing, where there is no number."""
    text = answer.headers.get(header)
    if text is None:
        return math.nan
    try:
        return float(text)
    except ValueError:
        return math.nan


def _left_s(until: float, answer: Answer) -> float:
    """Count the seconds to a Unix time by the answer's own clock; NaN where it has none.

    Its Date has whole seconds, so that this is up to one more than it need be.
    """
    try:
        sent = parsedate_to_datetime(answer.headers["Date"])
        return until - sent.timestamp() if sent.tzinfo else math.nan
    except (KeyError, ValueError, OverflowError):
        return math.nan


def _told(seconds: float, longest_s: float, untold_s: float | None = None) -> float | None:
    """Believe a wait up to `longest_s`: who then asks too early is refused again, that is all."""
    return min(seconds, longest_s) if seconds > 0 else untold_s


def _bybit(data: dict[str, Any], answer: Answer) -> float | None:
    if data.get("retCode") != 10006:
        return None
    until_ms = _number(answer, "X-Bapi-Limit-Reset-Timestamp")
    return _told(_left_s(until_ms / 1000, answer), 5.0, 1.0)


def _bingx(data: dict[str, Any], answer: Answer) -> float | None:
    if data.get("code") != 100410:
        return None
    until = re.search(r"after\D{0,9}(\d{13})\b", str(data.get("msg")))
    return _told(_left_s(int(until[1]) / 1000, answer) if until else math.nan, 600.0, 300.0)


def _gate(answer: Answer) -> float | None:
    # Where nothing was refused the instant is just the present.
    if answer.status != 429 or _number(answer, "X-Gate-RateLimit-Requests-Remain") > 0:
        return None
    return _told(_left_s(_number(answer, "X-Gate-RateLimit-Reset-Timestamp"), answer), 10.0)


def _htx_contract(data: dict[str, Any], answer: Answer) -> float | None:
    return 3.0 if 1032 in (data.get("err_code"), data.get("err-code")) else None


def _kraken(error: str, for_s: float) -> _Seconds:
    def says(data: dict[str, Any], answer: Answer) -> float | None:
        told = data.get("error")
        return for_s if isinstance(told, list) and error in told else None

    return _body(error.encode(), says)


def _kraken_throttled(data: dict[str, Any], answer: Answer) -> float | None:
    errors = data.get("error")
    for each in errors if isinstance(errors, list) else []:
        until = re.fullmatch(r"EService: ?Throttled: ?\[?(\d{1,12})\]?", str(each))
        if until:
            return _told(_left_s(int(until[1]), answer), 60.0, 5.0)
    return None


def _krakenfutures(data: dict[str, Any], answer: Answer) -> float | None:
    return 10.0 if data.get("error") == "apiLimitExceeded" else None


def _bitfinex(data: dict[str, Any], answer: Answer) -> float | None:
    return 60.0 if data.get("error") == "ERR_RATE_LIMIT" else None


def _kucoin(answer: Answer) -> float | None:
    if _number(answer, "gw-ratelimit-remaining") != 0:
        return None
    return _told(_number(answer, "gw-ratelimit-reset") / 1000, 30.0)


def _kucoin_endpoint(data: dict[str, Any], answer: Answer) -> float | None:
    return 10.0 if data.get("code") == "200002" else None


def _okx_codes(data: dict[str, Any], answer: Answer) -> float | None:
    rows, whole = data.get("data"), data.get("code")
    items = rows if isinstance(rows, list) and whole != "0" else []
    codes = [whole] + [each.get("sCode") for each in items if isinstance(each, dict)]
    return 2.0 if "50011" in codes or "50061" in codes else None


# Orders of a batch are refused one by one, in an answer longer than other refusals.
_okx_refused = _body(b'"500(?:11|61)"', _okx_codes, 8192)


def _okx(answer: Answer) -> float | None:
    return None if b'"code":"0"' in answer.body[:32] else _okx_refused(answer)


_PHEMEX_GROUPS = ("", "-contract", "-spotOrder")


def _phemex(answer: Answer) -> float | None:
    if answer.status != 429:
        return None
    told = [_number(answer, f"x-ratelimit-retry-after{group}") for group in _PHEMEX_GROUPS]
    return _told(max((each for each in told if each > 0), default=0), 60.0)


_Rows: TypeAlias = "tuple[_Count | _Quiet, ...]"

_BINANCE: _Rows = (
    # https://developers.binance.com/docs/binance-spot-api-docs/rest-api/limits (read 2026-11-21);
    # the same at https://developers.binance.com/docs/derivatives/usds-margined-futures/general-info
    _Count("X-MBX-USED-WEIGHT-1M", _Of.WHOLE, used=True),
    _Count(r"X-MBX-(?:ORDER-COUNT|USED-WEIGHT)-\d+[SMHD]", _Of.NAMED, used=True),
)
_BITMART: _Rows = (
    # https://developer-pro.bitmart.com/en/futuresv2/ (read 2026-11-21): "Remaining" is "the number
    # of requests that have been used", and its example says so again.
    _Count("X-BM-RateLimit-Remaining", _Of.CALL, used=True),
)
_COINEX: _Rows = (
    # https://docs.coinex.com/api/v2/rate-limit (read 2026-11-21): groups, all of them by the second
    _Count("X-RateLimit-Remaining", _Of.CALL, "X-RateLimit-Limit"),
    _Count(r"X-RateLimit-LongPeriod-\d+H-Remaining", _Of.NAMED),
    _Quiet(_code("code", 4213, 1.0), _Of.CALL),
)
_KUCOIN: _Rows = (
    # https://www.kucoin.com/docs-new/rate-limit (read 2026-11-21): pools by 30 s
    _Count("gw-ratelimit-remaining", _Of.WHOLE, "gw-ratelimit-limit"),
    _Quiet(_kucoin, _Of.WHOLE),
    # The older https://www.kucoin.com/docs/basic-info/request-rate-limit/rest-api (read 2026-11-21)
    _Quiet(_body(b'"200002"', _kucoin_endpoint), _Of.CALL),
    _Quiet(_text(b"error code: 1015", 30.0), _Of.ALL),
)

_TELLS: dict[str, _Rows] = {
    "backpack": (),
    "binance": _BINANCE,
    "binance-margin": (
        # https://binance-docs.github.io/apidocs/spot/cn/ (read 2026-11-21): each endpoint
        # of /sapi for itself, by address or by account
        _Count("X-SAPI-USED-IP-WEIGHT-1M", _Of.CALL, used=True),
        _Count("X-SAPI-USED-UID-WEIGHT-1M", _Of.CALL, used=True),
    ),
    "binance-usdm": _BINANCE,
    "binance-ws-api": (),  # in `rateLimits` of its messages, which no throttler is handed
    "bingx": (
        # https://bingx-api.github.io/docs/#/en-us/spot/base-info.html (read 2026-11-21): "recover
        # after 5 minutes", each endpoint for itself; the instant is in the texts of 100410
        _Count("X-RateLimit-Requests-Remain", _Of.CALL),
        _Quiet(_body(rb'"code":\s*100410\b', _bingx), _Of.CALL),
    ),
    "bitfinex": (
        # https://docs.bitfinex.com/docs/requirements-and-limitations (read 2026-11-21)
        _Quiet(_body(b"ERR_RATE_LIMIT", _bitfinex), _Of.ALL),
    ),
    "bitget": (
        # https://www.bitget.com/api-doc/common/faq, Q11 (read 2026-11-21)
        _Count("x-mbx-used-remain-limit", _Of.CALL),
    ),
    "bitmart": _BITMART,
    "bitmart-contract": _BITMART,
    "bitmex": (
        # https://www.bitmex.com/app/restAPI (read 2026-11-21); the second layer is there
        # for orders alone. x-ratelimit-reset is not used: these are buckets, which fill all along.
        _Count("x-ratelimit-remaining", _Of.WHOLE, "x-ratelimit-limit"),
        _Count("x-ratelimit-remaining-1s", _Of.NAMED),
    ),
    "bitstamp": (),
    "bybit": (
        # https://bybit-exchange.github.io/docs/v5/rate-limit (read 2026-11-21): a rolling second;
        # 403 is the address, "wait for at least 10 minutes"
        _Count("X-Bapi-Limit-Status", _Of.CALL, "X-Bapi-Limit"),
        _Quiet(_body(rb'"retCode":\s*10006\b', _bybit), _Of.CALL),
        _Quiet(_status(403, 600.0), _Of.ALL),
    ),
    "coinbase": (),
    "coinbaseexchange": (),
    "coinex": _COINEX,
    "coinex-futures": _COINEX,
    "cryptocom": (),  # 42901 comes with 429
    "deribit": (
        # https://docs.deribit.com/articles/rate-limits (read 2026-11-21): credits of a sub-account
        # that "each second" drip back
        _Quiet(_code("error.code", 10028, 1.0), _Of.WHOLE),
    ),
    "ethgas": (),
    "gate": (
        # https://www.gate.com/docs/developers/apiv4/en/ (read 2026-11-21): no interval over 10 s
        _Count("X-Gate-RateLimit-Requests-Remain", _Of.CALL, "X-Gate-RateLimit-Limit"),
        _Quiet(_gate, _Of.CALL),
    ),
    "gate-ws-api": (),  # in the header of its messages, which no throttler is handed
    "gemini": (),
    "htx": (
        # https://huobiapi.github.io/docs/spot/v1/en/ (read 2026-11-21); of what kind the instant
        # in X-HB-RateLimit-Requests-Expire is stands nowhere
        _Count("X-HB-RateLimit-Requests-Remain", _Of.CALL),
    ),
    "htx-contract": (
        # https://huobiapi.github.io/docs/dm/v1/en/ (read 2026-11-21): reads and trades each for
        # themselves, by 3 s; of what kind the milliseconds of ratelimit-reset are stands nowhere
        _Count("ratelimit-remaining", _Of.CALL, "ratelimit-limit"),
        _Quiet(_body(rb'"err[_-]code":\s*1032\b', _htx_contract), _Of.CALL),
    ),
    "hyperliquid": (),
    "kraken": (
        # https://docs.kraken.com/exchange/guides/rest/ratelimits (read 2026-11-21): "a few seconds"
        _Quiet(_kraken("EAPI:Rate limit exceeded", 5.0), _Of.WHOLE),
        _Quiet(_body(b"EService:", _kraken_throttled), _Of.WHOLE),
        # https://docs.kraken.com/api/docs/guides/spot-ratelimits (read 2026-11-21): a counter a
        # pair, "decreased by a decay rate every second"
        _Quiet(_kraken("EOrder:Rate limit exceeded", 1.0), _Of.CALL),
    ),
    "krakenfutures": (
        # https://docs.kraken.com/exchange/guides/futures/ratelimits and
        # https://docs.kraken.com/api/docs/futures-api/trading/get-accounts (read 2026-11-21)
        _Quiet(_body(b"apiLimitExceeded", _krakenfutures), _Of.WHOLE),
    ),
    "kucoin": _KUCOIN,
    "kucoin-futures": _KUCOIN,
    "mexc": (),
    "mexc-contract": (
        # https://mexcdevelop.github.io/apidocs/contract_v1_en/ (read 2026-11-21): most by 2 s
        _Quiet(_code("code", 510, 2.0), _Of.CALL),
    ),
    "okx": (
        # https://www.okx.com/docs-v5/en/#error-code-rest-api (read 2026-11-21), with status 200;
        # nearly all limits are by 2 s, and that of the sub-account's orders (50061) is
        _Quiet(_okx, _Of.CALL),
    ),
    "phemex": (
        # https://github.com/phemex/phemex-api-docs/blob/master/Generic-API-Info.en.md (read
        # 2026-11-21): by the minute, a group each; an answer has the headers of its own
        *(
            _Count(f"x-ratelimit-remaining{group}", _Of.CALL, f"x-ratelimit-capacity{group}")
            for group in _PHEMEX_GROUPS
        ),
        _Quiet(_phemex, _Of.CALL),
    ),
    # 429 alone; "Too many requests." in a body is a used nonce.
    "whitebit": (),
    "woo": (),  # -1003 comes with 429
}
