"""Signatures as connector authors write them: plain Python, one function an exchange.

Each takes the time in seconds and returns the path with query, the headers and the body.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias
from urllib.parse import quote, urlencode

__all__ = ["BY_HAND", "KEY", "ORDER", "PASSPHRASE", "QUERY", "SECRET", "SECRET_64", "Signed"]

KEY = "bench-key-0123456789"
SECRET = "2051feaf98d362900fae4de6aa70108f2c5ff8cf73484f4a30bc1ad81dba208d"
SECRET_64 = base64.b64encode(SECRET.encode()).decode()
PASSPHRASE = "bench-passphrase"
QUERY = {"symbol": "BTC-USDT", "orderId": 123456, "limit": 100}
ORDER = {
    "symbol": "BTC-USDT",
    "side": "buy",
    "type": "limit",
    "price": "90000.5",
    "quantity": "0.0125",
    "clientOrderId": "bench-1",
}

Signed: TypeAlias = "tuple[str, dict[str, str], bytes]"


def _json(data: Mapping[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False)


def binance_query(now: float) -> Signed:
    query = urlencode({"timestamp": int(now * 1000), **QUERY, "recvWindow": 10000})
    signature = hmac.new(SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()
    return f"/api/v3/order?{query}&signature={signature}", {"X-MBX-APIKEY": KEY}, b""


def binance_form(now: float) -> Signed:
    form = urlencode({"timestamp": int(now * 1000), **ORDER, "recvWindow": 10000})
    signature = hmac.new(SECRET.encode(), form.encode(), hashlib.sha256).hexdigest()
    headers = {"X-MBX-APIKEY": KEY, "Content-Type": "application/x-www-form-urlencoded"}
    return "/api/v3/order", headers, f"{form}&signature={signature}".encode()


def okx(now: float) -> Signed:
    moment = datetime.fromtimestamp(now, UTC)
    timestamp = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    body = _json(ORDER)
    mac = hmac.new(
        SECRET.encode(), f"{timestamp}POST/api/v5/trade/order{body}".encode(), hashlib.sha256
    )
    headers = {
        "OK-ACCESS-KEY": KEY,
        "OK-ACCESS-SIGN": base64.b64encode(mac.digest()).decode(),
        "OK-ACCESS-TIMESTAMP": timestamp,
        "OK-ACCESS-PASSPHRASE": PASSPHRASE,
        "Content-Type": "application/json",
    }
    return "/api/v5/trade/order", headers, body.encode()


def bybit(now: float) -> Signed:
    timestamp = str(int(now * 1000))
    query = urlencode(QUERY)
    signed = f"{timestamp}{KEY}5000{query}"
    headers = {
        "X-BAPI-API-KEY": KEY,
        "X-BAPI-TIMESTAMP": timestamp,
        "X-BAPI-RECV-WINDOW": "5000",
        "X-BAPI-SIGN": hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).hexdigest(),
        "Content-Type": "application/json",
    }
    return f"/v5/order/realtime?{query}", headers, b""


def kraken(now: float) -> Signed:
    path = "/0/private/AddOrder"
    nonce = str(int(now * 1000))
    body = urlencode({"nonce": nonce, **ORDER})
    inner = hashlib.sha256((nonce + body).encode()).digest()
    mac = hmac.new(base64.b64decode(SECRET_64), path.encode() + inner, hashlib.sha512)
    headers = {
        "API-Key": KEY,
        "API-Sign": base64.b64encode(mac.digest()).decode(),
        "Content-Type": "application/x-www-form-urlencoded",
    }
    return path, headers, body.encode()


def krakenfutures(now: float) -> Signed:
    query = urlencode(ORDER)
    inner = hashlib.sha256(f"{query}/api/v3/sendorder".encode()).digest()
    mac = hmac.new(base64.b64decode(SECRET_64), inner, hashlib.sha512)
    headers = {
        "APIKey": KEY,
        "Authent": base64.b64encode(mac.digest()).decode(),
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
    }
    return f"/derivatives/api/v3/sendorder?{query}", headers, b""


def gate(now: float) -> Signed:
    path, timestamp, body = "/api/v4/spot/orders", str(int(now)), _json(ORDER)
    hashed = hashlib.sha512(body.encode()).hexdigest()
    signed = f"POST\n{path}\n\n{hashed}\n{timestamp}"
    headers = {
        "KEY": KEY,
        "Timestamp": timestamp,
        "SIGN": hmac.new(SECRET.encode(), signed.encode(), hashlib.sha512).hexdigest(),
        "Content-Type": "application/json",
    }
    return path, headers, body.encode()


def bitfinex(now: float) -> Signed:
    path, nonce, body = "/v2/auth/w/order/submit", str(int(now * 1000)), _json(ORDER)
    signed = f"/api{path}{nonce}{body}"
    headers = {
        "bfx-nonce": nonce,
        "bfx-apikey": KEY,
        "bfx-signature": hmac.new(SECRET.encode(), signed.encode(), hashlib.sha384).hexdigest(),
        "Content-Type": "application/json",
    }
    return path, headers, body.encode()


def gemini(now: float) -> Signed:
    path = "/v1/order/new"
    text = _json({"request": path, "nonce": str(int(now * 1000)), **ORDER})
    payload = base64.b64encode(text.encode())
    headers = {
        "Content-Type": "text/plain",
        "X-GEMINI-APIKEY": KEY,
        "X-GEMINI-PAYLOAD": payload.decode(),
        "X-GEMINI-SIGNATURE": hmac.new(SECRET.encode(), payload, hashlib.sha384).hexdigest(),
    }
    return path, headers, _json(ORDER).encode()


def htx(now: float) -> Signed:
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    arguments = {
        "AccessKeyId": KEY,
        "SignatureMethod": "HmacSHA256",
        "SignatureVersion": "2",
        "Timestamp": stamp,
        **QUERY,
    }
    query = urlencode(sorted(arguments.items()))
    signed = f"GET\napi.huobi.pro\n/v1/order/orders\n{query}"
    mac = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256)
    signature = quote(base64.b64encode(mac.digest()).decode(), safe="")
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return f"/v1/order/orders?{query}&Signature={signature}", headers, b""


def deribit(now: float) -> Signed:
    timestamp = str(int(now * 1000))
    path = f"/api/v2/private/buy?{urlencode(QUERY)}"
    signed = f"{timestamp}\n{timestamp}\nGET\n{path}\n\n"
    signature = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).hexdigest()
    value = f"deri-hmac-sha256 id={KEY},ts={timestamp},sig={signature},nonce={timestamp}"
    return path, {"Authorization": value}, b""


def cryptocom(now: float) -> Signed:
    nonce = str(int(now * 1000))
    method = "private/create-order"
    flat = "".join(f"{name}{ORDER[name]}" for name in sorted(ORDER))
    signed = f"{method}{nonce}{KEY}{flat}{nonce}"
    body = _json(
        {
            "id": nonce,
            "method": method,
            "params": ORDER,
            "api_key": KEY,
            "sig": hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).hexdigest(),
            "nonce": nonce,
        }
    )
    return f"/exchange/v1/{method}", {"Content-Type": "application/json"}, body.encode()


def kucoin(now: float) -> Signed:
    timestamp, path, body = str(int(now * 1000)), "/api/v1/orders", _json(ORDER)
    secret = SECRET.encode()
    mac = hmac.new(secret, f"{timestamp}POST{path}{body}".encode(), hashlib.sha256)
    passphrase = hmac.new(secret, PASSPHRASE.encode(), hashlib.sha256)
    headers = {
        "KC-API-KEY-VERSION": "2",
        "KC-API-KEY": KEY,
        "KC-API-TIMESTAMP": timestamp,
        "KC-API-PASSPHRASE": base64.b64encode(passphrase.digest()).decode(),
        "KC-API-SIGN": base64.b64encode(mac.digest()).decode(),
        "Content-Type": "application/json",
    }
    return path, headers, body.encode()


BY_HAND: dict[str, Callable[[float], Signed]] = {
    function.__name__: function
    for function in (
        binance_query,
        binance_form,
        okx,
        bybit,
        kraken,
        krakenfutures,
        gate,
        bitfinex,
        gemini,
        htx,
        deribit,
        cryptocom,
        kucoin,
    )
}
