"""Signatures as connector authors write them: plain Python, one function an exchange.

Each takes a call as a connector makes it and the time in seconds, and returns what is sent: the
URL, the headers and the body. Here are the exchanges whose signature goes into headers;
`_by_hand_others` and `_by_hand_keys` have the rest.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias
from urllib.parse import unquote, urlencode

__all__ = ["HEADERS", "KEY", "MEMO", "PASSPHRASE", "SECRET", "SECRET_64", "Signed"]

KEY = "bench-key-0123456789"
SECRET = "2051feaf98d362900fae4de6aa70108f2c5ff8cf73484f4a30bc1ad81dba208d"
SECRET_64 = base64.b64encode(SECRET.encode()).decode()
PASSPHRASE = "bench-passphrase"
MEMO = "bench-memo"

Arguments: TypeAlias = "Mapping[str, Any] | None"
Signed: TypeAlias = "tuple[str, dict[str, str], bytes]"
ByHand: TypeAlias = "Callable[[str, str, Arguments, Arguments, float], Signed]"


def okx(method: str, path: str, params: Arguments, data: Arguments, now: float) -> Signed:
    moment = datetime.fromtimestamp(now, UTC)
    timestamp = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if params:
        path += "?" + urlencode(params)
    body = json.dumps(data, separators=(",", ":")) if data else ""
    text = timestamp + method + path + body
    mac = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256)
    headers = {
        "OK-ACCESS-KEY": KEY,
        "OK-ACCESS-SIGN": base64.b64encode(mac.digest()).decode(),
        "OK-ACCESS-TIMESTAMP": timestamp,
        "OK-ACCESS-PASSPHRASE": PASSPHRASE,
    }
    if body:
        headers["Content-Type"] = "application/json"
    return f"https://www.okx.com{path}", headers, body.encode()


def bybit(method: str, path: str, params: Arguments, data: Arguments, now: float) -> Signed:
    timestamp = str(int(now * 1000))
    query = urlencode(params) if params else ""
    body = json.dumps(data, separators=(",", ":")) if data else ""
    text = timestamp + KEY + "5000" + (query or body)
    headers = {
        "X-BAPI-API-KEY": KEY,
        "X-BAPI-TIMESTAMP": timestamp,
        "X-BAPI-RECV-WINDOW": "5000",
        "X-BAPI-SIGN": hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest(),
        "Content-Type": "application/json",
    }
    url = f"https://api.bybit.com{path}"
    return f"{url}?{query}" if query else url, headers, body.encode()


def bitget(method: str, path: str, params: Arguments, data: Arguments, now: float) -> Signed:
    timestamp = str(int(now * 1000))
    query = urlencode(sorted(params.items())) if params else ""
    body = json.dumps(data, separators=(",", ":")) if data else ""
    text = timestamp + method + path + ("?" + unquote(query) if query else "") + body
    mac = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256)
    headers = {
        "ACCESS-KEY": KEY,
        "ACCESS-SIGN": base64.b64encode(mac.digest()).decode(),
        "ACCESS-TIMESTAMP": timestamp,
        "ACCESS-PASSPHRASE": PASSPHRASE,
    }
    if body:
        headers["Content-Type"] = "application/json"
    url = f"https://api.bitget.com{path}"
    return f"{url}?{query}" if query else url, headers, body.encode()


def coinex(method: str, path: str, params: Arguments, data: Arguments, now: float) -> Signed:
    timestamp = str(int(now * 1000))
    if params:
        path += "?" + urlencode(sorted(params.items()))
    body = json.dumps(data, separators=(",", ":"), sort_keys=True) if data else ""
    text = method + path + body + timestamp
    headers = {
        "Accept": "application/json",
        "X-COINEX-KEY": KEY,
        "X-COINEX-SIGN": hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest(),
        "X-COINEX-TIMESTAMP": timestamp,
        "Content-Type": "application/json",
    }
    return f"https://api.coinex.com{path}", headers, body.encode()


def woo(method: str, path: str, params: Arguments, data: Arguments, now: float) -> Signed:
    timestamp = str(int(now * 1000))
    if params:
        path += "?" + urlencode(sorted(params.items()))
    body = json.dumps(data, separators=(",", ":"), sort_keys=True) if data else ""
    text = timestamp + method + path + body
    headers = {
        "x-api-key": KEY,
        "x-api-timestamp": timestamp,
        "x-api-signature": hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest(),
    }
    if body:
        headers["content-type"] = "application/json"
    return f"https://api.woox.io{path}", headers, body.encode()


def gate(method: str, path: str, params: Arguments, data: Arguments, now: float) -> Signed:
    timestamp = str(int(now))
    query = urlencode(params) if params else ""
    body = json.dumps(data, separators=(",", ":")) if data else ""
    hashed = hashlib.sha512(body.encode()).hexdigest()
    text = f"{method}\n{path}\n{unquote(query)}\n{hashed}\n{timestamp}"
    headers = {
        "KEY": KEY,
        "Timestamp": timestamp,
        "SIGN": hmac.new(SECRET.encode(), text.encode(), hashlib.sha512).hexdigest(),
        "Content-Type": "application/json",
    }
    url = f"https://api.gateio.ws{path}"
    return f"{url}?{query}" if query else url, headers, body.encode()


def bitfinex(method: str, path: str, params: Arguments, data: Arguments, now: float) -> Signed:
    nonce = str(int(now * 1000000))
    body = json.dumps(data, separators=(",", ":")) if data else "{}"
    text = f"/api{path}{nonce}{body}"
    headers = {
        "bfx-nonce": nonce,
        "bfx-apikey": KEY,
        "bfx-signature": hmac.new(SECRET.encode(), text.encode(), hashlib.sha384).hexdigest(),
        "Content-Type": "application/json",
    }
    return f"https://api.bitfinex.com{path}", headers, body.encode()


def deribit(method: str, path: str, params: Arguments, data: Arguments, now: float) -> Signed:
    timestamp = nonce = str(int(now * 1000))
    if params:
        path += "?" + urlencode(params)
    body = json.dumps(data, separators=(",", ":")) if data else ""
    text = f"{timestamp}\n{nonce}\n{method}\n{path}\n{body}\n"
    signature = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
    value = f"deri-hmac-sha256 id={KEY},ts={timestamp},sig={signature},nonce={nonce}"
    headers = {"Authorization": value}
    if body:
        headers["Content-Type"] = "application/json"
    return f"https://www.deribit.com{path}", headers, body.encode()


def coinbaseexchange(
    method: str, path: str, params: Arguments, data: Arguments, now: float
) -> Signed:
    timestamp = str(int(now))
    if params:
        path += "?" + urlencode(params)
    body = json.dumps(data, separators=(",", ":")) if data else ""
    text = timestamp + method + path + body
    mac = hmac.new(base64.b64decode(SECRET_64), text.encode(), hashlib.sha256)
    headers = {
        "CB-ACCESS-KEY": KEY,
        "CB-ACCESS-SIGN": base64.b64encode(mac.digest()).decode(),
        "CB-ACCESS-TIMESTAMP": timestamp,
        "CB-ACCESS-PASSPHRASE": PASSPHRASE,
        "Content-Type": "application/json",
    }
    return f"https://api.exchange.coinbase.com{path}", headers, body.encode()


def phemex(method: str, path: str, params: Arguments, data: Arguments, now: float) -> Signed:
    expires = str(int(now) + 60)
    query = urlencode(params) if params else ""
    body = json.dumps(data, separators=(",", ":")) if data else ""
    text = path + query + expires + body
    signature = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
    headers = {
        "x-phemex-access-token": KEY,
        "x-phemex-request-expiry": expires,
        "x-phemex-request-signature": signature,
    }
    if body:
        headers["Content-Type"] = "application/json"
    url = f"https://api.phemex.com{path}"
    return f"{url}?{query}" if query else url, headers, body.encode()


def bitmex(method: str, path: str, params: Arguments, data: Arguments, now: float) -> Signed:
    expires = str(int(now) + 60)
    if params:
        path += "?" + urlencode(params)
    body = json.dumps(data, separators=(",", ":")) if data else ""
    text = method + path + expires + body
    headers = {
        "api-expires": expires,
        "api-key": KEY,
        "api-signature": hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest(),
        "Content-Type": "application/json",
    }
    return f"https://www.bitmex.com{path}", headers, body.encode()


def bitmart(method: str, path: str, params: Arguments, data: Arguments, now: float) -> Signed:
    timestamp = str(int(now * 1000))
    query = urlencode(params) if params else ""
    body = json.dumps(data, separators=(",", ":")) if data else ""
    text = f"{timestamp}#{MEMO}#{query or body}"
    headers = {
        "X-BM-KEY": KEY,
        "X-BM-TIMESTAMP": timestamp,
        "X-BM-SIGN": hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest(),
        "Content-Type": "application/json",
    }
    url = f"https://api-cloud.bitmart.com{path}"
    return f"{url}?{query}" if query else url, headers, body.encode()


def mexc_contract(method: str, path: str, params: Arguments, data: Arguments, now: float) -> Signed:
    timestamp = str(int(now * 1000))
    query = urlencode(sorted(params.items())) if params else ""
    body = json.dumps(data, separators=(",", ":")) if data else ""
    text = KEY + timestamp + query + body
    headers = {
        "ApiKey": KEY,
        "Request-Time": timestamp,
        "Signature": hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest(),
        "Content-Type": "application/json",
    }
    url = f"https://api.mexc.com{path}"
    return f"{url}?{query}" if query else url, headers, body.encode()


def kucoin(method: str, path: str, params: Arguments, data: Arguments, now: float) -> Signed:
    timestamp = str(int(now * 1000))
    query = urlencode(params) if params else ""
    body = json.dumps(data, separators=(",", ":")) if data else ""
    text = timestamp + method + path + ("?" + unquote(query) if query else "") + body
    secret = SECRET.encode()
    mac = hmac.new(secret, text.encode(), hashlib.sha256)
    passphrase = hmac.new(secret, PASSPHRASE.encode(), hashlib.sha256)
    headers = {
        "KC-API-KEY-VERSION": "2",
        "KC-API-KEY": KEY,
        "KC-API-TIMESTAMP": timestamp,
        "KC-API-PASSPHRASE": base64.b64encode(passphrase.digest()).decode(),
        "KC-API-SIGN": base64.b64encode(mac.digest()).decode(),
    }
    if body:
        headers["Content-Type"] = "application/json"
    url = f"https://api.kucoin.com{path}"
    return f"{url}?{query}" if query else url, headers, body.encode()


HEADERS: dict[str, ByHand] = {
    "okx": okx,
    "bybit": bybit,
    "bitget": bitget,
    "coinex": coinex,
    "woo": woo,
    "gate": gate,
    "bitfinex": bitfinex,
    "deribit": deribit,
    "coinbaseexchange": coinbaseexchange,
    "phemex": phemex,
    "bitmex": bitmex,
    "bitmart": bitmart,
    "mexc-contract": mexc_contract,
    "kucoin": kucoin,
}
