"""Gate API v4: REST, private WebSocket subscriptions, and trading over a WebSocket.

Sources (read 2026-07): https://www.gate.com/docs/developers/apiv4/en/,
https://www.gate.com/docs/developers/apiv4/ws/en/,
https://www.gate.com/docs/developers/futures/ws/en/, https://github.com/gateio/gatews,
https://www.gate.com/announcements/article/48788 (X-Gate-Size-Decimal).

``X-Gate-Size-Decimal: 1`` stands on futures requests and on every handshake: without it sizes of
perpetual contracts are integers, cut off towards zero, so that 1.7 contracts come as 1; with it
they are exact, as texts. A caller's own value of the header is kept.
"""

from __future__ import annotations

from collections.abc import Mapping

from networkpype.auth.patterns.frame import Whole
from networkpype.auth.patterns.inline import InlineSignature, SignedRequests
from networkpype.auth.patterns.rules import Containing, Seen, accepted, rejected
from networkpype.auth.schemes.draft import Draft
from networkpype.auth.schemes.headers import HeaderSignature
from networkpype.auth.schemes.layout import Layout
from networkpype.errors import AuthenticationFailure
from networkpype.exchanges.exchange import Exchange
from networkpype.rest.request import header_value
from networkpype.signing.methods import HMAC
from networkpype.wire import encode_pairs

__all__ = ["GATE", "GATE_WS_API"]

_SIGNING = HMAC("sha512", "hex")
_EXACT_SIZES = {"X-Gate-Size-Decimal": "1"}
_SOURCES = (
    "https://www.gate.com/docs/developers/apiv4/en/",
    "https://www.gate.com/docs/developers/apiv4/ws/en/",
)


class _Layout(Layout):
    """GET and DELETE read the query only; others without any argument send an empty object."""

    __slots__ = ()

    def settle(self, draft: Draft) -> None:
        data, method = draft.request.data, draft.method
        if method in ("GET", "DELETE"):
            if data and isinstance(data, Mapping):
                more = encode_pairs(data)
                draft.query = f"{draft.query}&{more}" if draft.query else more
                draft.request.data = None
        elif not data and not draft.query:
            draft.body = "{}"
        if "currencies=" in draft.query:
            # A list of them has its commas plain: https://github.com/ccxt/ccxt/issues/25570
            draft.query = draft.query.replace("%2C", ",")
        super().settle(draft)


class _Signature(HeaderSignature):
    def place(self, draft: Draft) -> None:
        super().place(draft)
        if draft.path.startswith("/api/v4/futures/"):
            own = header_value(draft.request.headers, "x-gate-size-decimal")
            draft.headers["X-Gate-Size-Decimal"] = "1" if own is None else own


_SCHEME = _Signature(
    # The query is signed as it was before percent-encoding, and sent encoded: Gate decodes first.
    # https://github.com/ccxt/ccxt/issues/27663
    message="{method}\n{path}\n{raw_query}\n{body_sha512}\n{timestamp}",
    headers={"KEY": "{key}", "Timestamp": "{timestamp}", "SIGN": "{signature}"},
    signing=_SIGNING,
    timestamp="s",
    layout=_Layout(),
    content_type="application/json",
)

_ABOUT_US = Containing(
    "INVALID_KEY",
    "INVALID_SIGN",
    "INVALID_CREDENTIALS",
    "MISSING_REQUIRED_HEADER",
    "authenticat",
    "invalid key",
    "auth fail",
    "signature",
)
_RULES = (
    rejected(
        {"error.message": Containing("REQUEST_EXPIRED", "timestamp")},
        "error.message",
        failure=AuthenticationFailure.TIMESTAMP,
        definite=False,
    ),
    rejected(
        {"error.message": Containing("FORBIDDEN", "permission")},
        "error.message",
        failure=AuthenticationFailure.PERMISSION,
    ),
    rejected({"error.message": _ABOUT_US}, "error.message"),
)


def _subscribes(url: str) -> InlineSignature:
    """Return the auth block of a private subscribe; its time may be off by 60 s."""
    return InlineSignature(
        url=url,
        headers=_EXACT_SIZES,
        message="channel={channel}&event={event}&time={timestamp}",
        fields={
            "time": Whole("{timestamp}"),
            "auth": {"method": "api_key", "KEY": "{key}", "SIGN": "{signature}"},
        },
        signing=_SIGNING,
        rules=_RULES,
        acks=(accepted({"event": "subscribe", "error": Seen.ABSENT, "result.status": "success"}),),
    )


def _trading(url: str, channel: str = "spot.login") -> SignedRequests:
    mine = {"request_id": Seen.MY_ID, "header.channel": channel}
    return SignedRequests(
        url=url,
        headers=_EXACT_SIZES,
        # The page signs and sends no parameters, ccxt an empty object; either is signed as sent.
        message=f"api\n{channel}\n{{{{}}}}\n{{timestamp}}",
        frame={
            "id": "{id}",
            "time": Whole("{timestamp}"),
            "channel": channel,
            "event": "api",
            "payload": {
                "req_id": "{id}",
                "timestamp": "{timestamp}",
                "api_key": "{key}",
                "signature": "{signature}",
                "req_param": {},
            },
        },
        timestamp="s",
        signing=_SIGNING,
        rules=(
            rejected(
                {**mine, "data.errs.label": ("REQUEST_EXPIRED", "TIMESTAMP_EXPIRED")},
                "data.errs.message",
                "data.errs.label",
                failure=AuthenticationFailure.TIMESTAMP,
                definite=False,
            ),
            rejected(
                {**mine, "header.status": ("429", "500", "502", "503", "504")},
                "data.errs.message",
                "data.errs.label",
                definite=False,
            ),
            rejected(
                {**mine, "header.status": "403"},
                "data.errs.message",
                "data.errs.label",
                failure=AuthenticationFailure.PERMISSION,
            ),
            rejected({**mine, "data.errs": Seen.ANY}, "data.errs.message", "data.errs.label"),
            # A first message with "ack": true only says that the request has come.
            accepted({**mine, "header.status": "200", "ack": Seen.ABSENT}),
            accepted({**mine, "header.status": "200", "ack": False}),
        ),
        request_message="api\n{channel}\n{params}\n{timestamp}",
        subscribes=_subscribes(url),
    )


_LIVE_WS, _TEST_WS = "wss://api.gateio.ws/ws/v4/", "wss://ws-testnet.gate.com/v4/ws/spot"
_LIVE, _TEST = "https://api.gateio.ws", "https://api-testnet.gateapi.io"

GATE = Exchange(
    name="gate",
    rest_url=_LIVE,
    hosts=("fx-api.gateio.ws",),
    scheme=_SCHEME,
    pattern=_subscribes(_LIVE_WS),
    sandbox=Exchange(
        name="gate testnet",
        rest_url=_TEST,
        hosts=("fx-api-testnet.gateio.ws",),
        scheme=_SCHEME,
        pattern=_subscribes(_TEST_WS),
        sources=_SOURCES,
    ),
    sources=_SOURCES,
)
"""REST, and private subscriptions, each of which is signed: there is no login."""

GATE_WS_API = Exchange(
    name="gate-ws-api",
    rest_url=_LIVE,
    hosts=("fx-api.gateio.ws",),
    scheme=_SCHEME,
    pattern=_trading(_LIVE_WS),
    sandbox=Exchange(
        name="gate-ws-api testnet",
        rest_url=_TEST,
        hosts=("fx-api-testnet.gateio.ws",),
        scheme=_SCHEME,
        pattern=_trading(_TEST_WS),
        sources=_SOURCES,
    ),
    sources=_SOURCES,
)
"""Trading over a WebSocket: a login, and every request signed."""
