"""How each exchange says no: status, code and words, as its pages list them."""

from __future__ import annotations

from networkpype.testing.venues.account import Why
from networkpype.testing.venues.venue import Errors, errors

__all__ = ["REFUSALS"]

KEY, SIGNATURE, TIME, NONCE = Why.KEY, Why.SIGNATURE, Why.TIME, Why.NONCE
PASSPHRASE, MISSING, TOKEN = Why.PASSPHRASE, Why.MISSING, Why.TOKEN

_HTX = "api-signature-not-valid"

_binance = errors(
    lambda code, said: {"code": code, "msg": said},
    {
        KEY: (401, -2015, "Invalid API-key, IP, or permissions for action."),
        SIGNATURE: (400, -1022, "Signature for this request is not valid."),
        TIME: (400, -1021, "Timestamp for this request is outside of the recvWindow."),
        MISSING: (400, -1102, "A mandatory parameter was not sent, was empty or malformed."),
        TOKEN: (400, -1125, "This listenKey does not exist."),
    },
)

REFUSALS: dict[str, Errors] = {
    "binance": _binance,
    "mexc": errors(
        lambda code, said: {"code": code, "msg": said},
        {
            KEY: (400, 10072, "Api key info invalid"),
            SIGNATURE: (400, 700002, "Signature for this request is not valid."),
            TIME: (400, 700003, "Timestamp for this request is outside of the recvWindow."),
            MISSING: (400, 700004, "Param 'timestamp' must be sent."),
            # https://github.com/mexcdevelop/mexc-api-demo/issues/35
            TOKEN: (400, "730708", "listen key information error"),
        },
    ),
    "bingx": errors(
        lambda code, said: {"code": code, "msg": said},
        {
            KEY: (200, 100413, "Incorrect apiKey"),
            SIGNATURE: (200, 100001, "Signature verification failed due to signature mismatch"),
            TIME: (200, 100421, "Null timestamp or timestamp mismatch"),
            TOKEN: (200, 100400, "listenKey does not exist"),
        },
    ),
    "bybit": errors(
        lambda code, said: {"retCode": code, "retMsg": said, "result": {}, "retExtInfo": {}},
        {
            KEY: (200, 10003, "API key is invalid."),
            SIGNATURE: (200, 10004, "error sign! origin_string[...]"),
            TIME: (200, 10002, "invalid request, please check your server timestamp"),
        },
    ),
    "okx": errors(
        lambda code, said: {"msg": said, "code": code},
        {
            KEY: (401, "50111", "Invalid OK-ACCESS-KEY"),
            SIGNATURE: (401, "50113", "Invalid Sign"),
            TIME: (401, "50102", "Timestamp request expired"),
            PASSPHRASE: (401, "50105", "Request header OK-ACCESS-PASSPHRASE incorrect."),
            MISSING: (401, "50103", 'Request header "OK-ACCESS-KEY" can not be empty.'),
        },
    ),
    "bitget": errors(
        lambda code, said: {"code": code, "msg": said, "requestTime": 0, "data": None},
        {
            KEY: (400, "40006", "Invalid ACCESS_KEY"),
            SIGNATURE: (400, "40009", "sign signature error"),
            TIME: (400, "40008", "Request timestamp expired"),
            PASSPHRASE: (400, "40012", "apikey/password is incorrect"),
        },
    ),
    "kucoin": errors(
        lambda code, said: {"code": code, "msg": said},
        {
            KEY: (401, "400003", "KC-API-KEY not exists"),
            SIGNATURE: (401, "400005", "Invalid KC-API-SIGN"),
            TIME: (401, "400002", "KC-API-TIMESTAMP Invalid"),
            PASSPHRASE: (401, "400004", "KC-API-PASSPHRASE error"),
            MISSING: (401, "400001", "Please check the header of your request"),
        },
    ),
    "coinbaseexchange": errors(
        lambda code, said: {"message": said},
        {
            KEY: (401, None, "Invalid API Key"),
            SIGNATURE: (401, None, "invalid signature"),
            TIME: (401, None, "request timestamp expired"),
            PASSPHRASE: (401, None, "Invalid Passphrase"),
        },
    ),
    "coinbase": errors(
        lambda code, said: {"error": code, "message": said},
        {SIGNATURE: (401, "UNAUTHENTICATED", "Unauthorized")},
    ),
    "bitmex": errors(
        lambda code, said: {"error": {"message": said, "name": code}},
        {
            KEY: (401, "HTTPError", "Invalid API Key."),
            SIGNATURE: (401, "HTTPError", "Signature not valid."),
            TIME: (401, "HTTPError", "This request has expired - `expires` is in the past."),
        },
    ),
    "bitmart": errors(
        lambda code, said: {"code": code, "message": said, "trace": "", "data": {}},
        {
            KEY: (401, 30002, "Header X-BM-KEY not found"),
            SIGNATURE: (401, 30005, "Header X-BM-SIGN is wrong"),
            TIME: (400, 30007, "Header X-BM-TIMESTAMP range. Within a minute"),
        },
    ),
    "phemex": errors(
        lambda code, said: {"code": code, "msg": said},
        {
            KEY: (401, "401", "401 Failed to load API KEY."),
            SIGNATURE: (401, "401", "401 Failed to verify signature."),
            TIME: (401, "401", "401 Request Expired."),
        },
    ),
    "coinex": errors(
        lambda code, said: {"code": code, "data": {}, "message": said},
        {
            KEY: (200, 4005, "Abnormal access_id"),
            SIGNATURE: (200, 4006, "Signature verification failed"),
            TIME: (200, 4010, "Expired request"),
        },
    ),
    "woo": errors(
        lambda code, said: {"success": False, "code": code, "message": said},
        {
            KEY: (401, -1002, "The API key is invalid."),
            SIGNATURE: (401, -1001, "The api signature is invalid."),
            TIME: (401, -1001, "The timestamp is out of range."),
        },
    ),
    "mexc-contract": errors(
        lambda code, said: {"success": False, "code": code, "message": said},
        {
            KEY: (200, 402, "Api_key expired!"),
            SIGNATURE: (200, 602, "Confirming signature failed"),
            TIME: (200, 513, "Invalid request(for open api serves time error)"),
        },
    ),
    "gate": errors(
        lambda code, said: {"label": code, "message": said},
        {
            KEY: (401, "INVALID_KEY", "Invalid key provided"),
            SIGNATURE: (401, "INVALID_SIGNATURE", "Signature mismatch"),
            TIME: (403, "REQUEST_EXPIRED", "gap between request Timestamp and server time"),
            MISSING: (401, "MISSING_REQUIRED_HEADER", "Missing required header: Timestamp"),
        },
    ),
    "deribit": errors(
        lambda code, said: {"jsonrpc": "2.0", "error": {"code": code, "message": said}},
        {SIGNATURE: (400, 13004, "invalid_credentials")},
    ),
    "kraken": errors(
        lambda code, said: {"error": [said]},
        {
            KEY: (200, None, "EAPI:Invalid key"),
            SIGNATURE: (200, None, "EAPI:Invalid signature"),
            NONCE: (200, None, "EAPI:Invalid nonce"),
        },
    ),
    "krakenfutures": errors(
        lambda code, said: {"result": "error", "error": said},
        {
            SIGNATURE: (200, None, "authenticationError"),
            NONCE: (200, None, "nonceBelowThreshold"),
        },
    ),
    "bitfinex": errors(
        lambda code, said: ["error", code, said],
        {
            KEY: (500, 10100, "apikey: invalid"),
            SIGNATURE: (500, 10100, "apikey: digest invalid"),
            NONCE: (500, 10114, "nonce: small"),
        },
    ),
    "htx": errors(
        lambda code, said: {"status": "error", "err-code": _HTX, "err-msg": f"{_HTX}: {said}"},
        {
            KEY: (200, None, "Incorrect Access key"),
            SIGNATURE: (
                200,
                "api-signature-not-valid",
                "Signature not valid: Verification failure",
            ),
            TIME: (200, None, "Timestamp expired"),
        },
    ),
    "htx-contract": errors(
        lambda code, said: {"status": "error", "err_code": code, "err_msg": said, "ts": 0},
        {
            KEY: (200, 403, "Incorrect Access key"),
            SIGNATURE: (200, 403, "Verification failure"),
            TIME: (200, 403, "Timestamp expired"),
        },
    ),
    "gemini": errors(
        lambda code, said: {"result": "error", "reason": code, "message": said},
        {
            KEY: (400, "InvalidAPIKey", "Invalid API key"),
            SIGNATURE: (400, "InvalidSignature", "InvalidSignature"),
            NONCE: (400, "InvalidNonce", "Nonce has not increased since your last call"),
            MISSING: (400, "MissingPayloadHeader", "a part of the payload is missing"),
        },
    ),
    "whitebit": errors(
        lambda code, said: {"code": code, "message": said, "errors": {}},
        {
            KEY: (401, 0, "This action is unauthorized."),
            SIGNATURE: (401, 0, "Unauthorized request."),
            NONCE: (401, 0, "Too many requests with the same or a lower nonce."),
        },
    ),
    "cryptocom": errors(
        lambda code, said: {"id": 0, "code": code, "message": said},
        {
            KEY: (401, 40101, "Authentication failure"),
            SIGNATURE: (401, 40101, "Authentication failure"),
            TIME: (400, 40102, "INVALID_NONCE"),
            MISSING: (400, 40003, "INVALID_REQUEST"),
        },
    ),
    "bitstamp": errors(
        lambda code, said: {"status": "error", "reason": said, "code": code},
        {
            KEY: (403, "API0001", "API key not found"),
            SIGNATURE: (403, "API0005", "Invalid signature"),
            NONCE: (403, "API0004", "Invalid nonce"),
            TIME: (403, "API0017", "Timestamp cannot be older than 150 seconds"),
        },
    ),
    "backpack": errors(
        lambda code, said: {"code": code, "message": said},
        {
            SIGNATURE: (400, "INVALID_CLIENT_REQUEST", "Invalid signature"),
            TIME: (400, "INVALID_CLIENT_REQUEST", "Request has expired"),
        },
    ),
    "hyperliquid": errors(
        lambda code, said: {"status": "err", "response": said},
        {
            SIGNATURE: (200, None, "User or API Wallet 0x... does not exist."),
            NONCE: (200, None, "Invalid nonce: duplicate nonce"),
        },
    ),
    "ethgas": errors(
        lambda code, said: {"success": False, "errorCode": code, "errorMsgKey": said},
        {
            SIGNATURE: (401, "10008", "error.signature.invalid"),
            TOKEN: (401, "10005", "error.session.expired"),
            Why.BUSY: (429, "10010", "error.rateLimit"),
            Why.LOGIN: (403, "10009", "error.forbidden"),
        },
    ),
}
"""By exchange; a reason that a table leaves out is answered as a wrong signature."""
