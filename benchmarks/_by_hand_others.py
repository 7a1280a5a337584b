"""More signatures as connector authors write them: in the query, in the body, and a token."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import uuid
from datetime import UTC, datetime
from urllib.parse import quote, unquote, urlencode

from benchmarks._by_hand import KEY, SECRET, SECRET_64, Arguments, ByHand, Signed

__all__ = ["OTHERS"]


def binance(method: str, path: str, params: Arguments, data: Arguments, now: float) -> Signed:
    own = {"timestamp": int(now * 1000), **(params or data or {}), "recvWindow": 10000}
    text = urlencode(own)
    signature = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
    text += "&signature=" + signature
    url = f"https://api.binance.com{path}"
    if method == "GET":
        return f"{url}?{text}", {"X-MBX-APIKEY": KEY}, b""
    headers = {"X-MBX-APIKEY": KEY, "Content-Type": "application/x-www-form-urlencoded"}
    return url, headers, text.encode()


def mexc(method: str, path: str, params: Arguments, data: Arguments, now: float) -> Signed:
    own = {**(params or data or {}), "timestamp": int(now * 1000), "recvWindow": 5000}
    query = urlencode(own)
    signature = hmac.new(SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()
    headers = {"X-MEXC-APIKEY": KEY}
    if method != "GET":
        headers["Content-Type"] = "application/json"
    return f"https://api.mexc.com{path}?{query}&signature={signature}", headers, b""


def bingx(method: str, path: str, params: Arguments, data: Arguments, now: float) -> Signed:
    own = {**(params or data or {}), "timestamp": int(now * 1000)}
    query = urlencode(sorted(own.items()))
    signature = hmac.new(SECRET.encode(), unquote(query).encode(), hashlib.sha256).hexdigest()
    url = f"https://open-api.bingx.com{path}?{query}&signature={signature}"
    return url, {"X-BX-APIKEY": KEY}, b""


def bingx_json(method: str, path: str, params: Arguments, data: Arguments, now: float) -> Signed:
    own = dict(sorted({**(data or {}), "timestamp": int(now * 1000)}.items()))
    text = "&".join([f"{name}={value}" for name, value in own.items()])
    own["signature"] = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
    headers = {"X-BX-APIKEY": KEY, "Content-Type": "application/json"}
    body = json.dumps(own, separators=(",", ":"))
    return f"https://open-api.bingx.com{path}", headers, body.encode()


def coinex_v1(method: str, path: str, params: Arguments, data: Arguments, now: float) -> Signed:
    own = {**(params or data or {}), "access_id": KEY, "tonce": str(int(now * 1000))}
    own = dict(sorted(own.items()))
    query = urlencode(own)
    text = f"{unquote(query)}&secret_key={SECRET}"
    signature = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest().upper()
    headers = {"Authorization": signature, "Content-Type": "application/json"}
    url = f"https://api.coinex.com{path}"
    if method == "GET":
        return f"{url}?{query}", headers, b""
    return url, headers, json.dumps(own, separators=(",", ":")).encode()


def htx(method: str, path: str, params: Arguments, data: Arguments, now: float) -> Signed:
    own = {
        "AccessKeyId": KEY,
        "SignatureMethod": "HmacSHA256",
        "SignatureVersion": "2",
        "Timestamp": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        **(params or {}),
    }
    query = urlencode(sorted(own.items()))
    text = f"{method}\napi.huobi.pro\n{path}\n{query}"
    mac = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256)
    signature = quote(base64.b64encode(mac.digest()).decode(), safe="")
    body, kind = "", "application/x-www-form-urlencoded"
    if data:
        body, kind = json.dumps(data, separators=(",", ":")), "application/json"
    url = f"https://api.huobi.pro{path}?{query}&Signature={signature}"
    return url, {"Content-Type": kind}, body.encode()


def kraken(method: str, path: str, params: Arguments, data: Arguments, now: float) -> Signed:
    nonce = str(int(now * 1000))
    body = urlencode({"nonce": nonce, **(data or {})})
    inner = hashlib.sha256((nonce + body).encode()).digest()
    mac = hmac.new(base64.b64decode(SECRET_64), path.encode() + inner, hashlib.sha512)
    headers = {
        "API-Key": KEY,
        "API-Sign": base64.b64encode(mac.digest()).decode(),
        "Content-Type": "application/x-www-form-urlencoded",
    }
    return f"https://api.kraken.com{path}", headers, body.encode()


def krakenfutures(method: str, path: str, params: Arguments, data: Arguments, now: float) -> Signed:
    query = urlencode(params or data or {})
    inner = hashlib.sha256((query + path.removeprefix("/derivatives")).encode()).digest()
    mac = hmac.new(base64.b64decode(SECRET_64), inner, hashlib.sha512)
    headers = {
        "APIKey": KEY,
        "Authent": base64.b64encode(mac.digest()).decode(),
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
    }
    return f"https://futures.kraken.com{path}?{query}", headers, b""


def gemini(method: str, path: str, params: Arguments, data: Arguments, now: float) -> Signed:
    own = {"request": path, "nonce": str(int(now * 1000)), **(data or {})}
    payload = base64.b64encode(json.dumps(own, separators=(",", ":")).encode())
    headers = {
        "Content-Type": "text/plain",
        "X-GEMINI-APIKEY": KEY,
        "X-GEMINI-PAYLOAD": payload.decode(),
        "X-GEMINI-SIGNATURE": hmac.new(SECRET.encode(), payload, hashlib.sha384).hexdigest(),
    }
    body = json.dumps(data or {}, separators=(",", ":"))
    return f"https://api.gemini.com{path}", headers, body.encode()


def whitebit(method: str, path: str, params: Arguments, data: Arguments, now: float) -> Signed:
    nonce = str(int(now * 1000))
    own = {"request": path, "nonce": nonce, "nonceWindow": False, **(data or {})}
    body = json.dumps(own, separators=(",", ":")).encode()
    payload = base64.b64encode(body)
    headers = {
        "Content-Type": "application/json",
        "X-TXC-APIKEY": KEY,
        "X-TXC-PAYLOAD": payload.decode(),
        "X-TXC-SIGNATURE": hmac.new(SECRET.encode(), payload, hashlib.sha512).hexdigest(),
    }
    return f"https://whitebit.com{path}", headers, body


def cryptocom(method: str, path: str, params: Arguments, data: Arguments, now: float) -> Signed:
    nonce = str(int(now * 1000))
    name = path.removeprefix("/exchange/v1/")
    arguments = data or {}
    flat = "".join([key + str(arguments[key]) for key in sorted(arguments)])
    text = name + nonce + KEY + flat + nonce
    own = {
        "id": nonce,
        "method": name,
        "params": arguments,
        "api_key": KEY,
        "sig": hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest(),
        "nonce": nonce,
    }
    headers = {"Content-Type": "application/json"}
    body = json.dumps(own, separators=(",", ":"))
    return f"https://api.crypto.com{path}", headers, body.encode()


def bitstamp(method: str, path: str, params: Arguments, data: Arguments, now: float) -> Signed:
    timestamp, nonce = str(int(now * 1000)), str(uuid.uuid4())
    if params:
        path += "?" + urlencode(params)
    body, kind = "", ""
    if data:
        body, kind = urlencode(data), "application/x-www-form-urlencoded"
    text = f"BITSTAMP {KEY}{method}www.bitstamp.net{path}{kind}{nonce}{timestamp}v2{body}"
    headers = {
        "X-Auth": f"BITSTAMP {KEY}",
        "X-Auth-Signature": hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest(),
        "X-Auth-Nonce": nonce,
        "X-Auth-Timestamp": timestamp,
        "X-Auth-Version": "v2",
    }
    if kind:
        headers["Content-Type"] = kind
    return f"https://www.bitstamp.net{path}", headers, body.encode()


def ethgas(method: str, path: str, params: Arguments, data: Arguments, now: float) -> Signed:
    if params:
        path += "?" + urlencode(params)
    headers = {"Authorization": f"Bearer {KEY}"}
    body = json.dumps(data, separators=(",", ":")) if data else ""
    if body:
        headers["Content-Type"] = "application/json"
    return f"https://api.ethgas.com{path}", headers, body.encode()


OTHERS: dict[str, ByHand] = {
    "binance": binance,
    "mexc": mexc,
    "bingx": bingx,
    "bingx-json": bingx_json,
    "coinex-v1": coinex_v1,
    "htx": htx,
    "kraken": kraken,
    "krakenfutures": krakenfutures,
    "gemini": gemini,
    "whitebit": whitebit,
    "cryptocom": cryptocom,
    "bitstamp": bitstamp,
    "ethgas": ethgas,
}
