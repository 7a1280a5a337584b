"""Slips of the author of a scheme or pattern are told where they were made; reprs are short."""

from __future__ import annotations

import inspect
from typing import Any, cast

import pytest

from networkpype import Backoff, Credentials, Login, SchemeAuth, WebSocketResponse
from networkpype.auth import actions as do
from networkpype.auth.outcome import AuthOutcome, PreAuth
from networkpype.auth.patterns.base import WebSocketAuthPattern
from networkpype.auth.patterns.frame import FrameLogin
from networkpype.auth.patterns.handshake import HandshakeLogin
from networkpype.auth.patterns.inline import InlineSignature
from networkpype.auth.schemes.argument_hash import ArgumentHash
from networkpype.auth.schemes.headers import HeaderSignature
from networkpype.auth.schemes.payload import PayloadSignature
from networkpype.auth.schemes.query import QuerySignature
from networkpype.errors import AuthenticationFailure, ConfigurationError
from networkpype.exchanges import exchange, names
from networkpype.signing.methods import HMAC
from networkpype.signing.nonces import Nonces
from networkpype.websocket.first_login import log_in

URL = "wss://api.example.com/ws"
HOLDERS: dict[str, Any] = {
    "HeaderSignature": lambda signing: HeaderSignature(message="", headers={}, signing=signing),
    "QuerySignature": lambda signing: QuerySignature(key_header="X-KEY", signing=signing),
    "ArgumentHash": lambda signing: ArgumentHash(added={}, headers={}, signing=signing),
    "PayloadSignature": lambda signing: PayloadSignature(
        key_header="a", payload_header="b", signature_header="c", signing=signing
    ),
    "FrameLogin": lambda signing: FrameLogin(
        url=URL, message="", frame={}, rules=(), signing=signing
    ),
    "HandshakeLogin": lambda signing: HandshakeLogin(
        url=URL, headers={}, message="", signing=signing
    ),
    "InlineSignature": lambda signing: InlineSignature(
        url=URL, message="", fields={}, signing=signing
    ),
}


@pytest.mark.parametrize("name", HOLDERS)
@pytest.mark.parametrize(
    ("wrong", "shown"), [("sha256", "a str"), (HMAC, "the class HMAC"), (None, "a NoneType")]
)
def test_what_is_no_signing_method_is_refused_at_construction(
    name: str, wrong: object, shown: str
) -> None:
    told = rf'^{name}: signing is {shown}; pass a SigningMethod, such as HMAC\("sha256", "hex"\)$'
    with pytest.raises(ConfigurationError, match=told):
        HOLDERS[name](wrong)
    assert HOLDERS[name](HMAC()).signing == HMAC()


class Forgetful(WebSocketAuthPattern):
    url = URL
    greets = True

    def handle_auth_response(self, response: WebSocketResponse) -> AuthOutcome:
        return cast("AuthOutcome", None)


TOLD = (
    r"^Forgetful.handle_auth_response returned NoneType; it must return an AuthOutcome, "
    r"AuthOutcome.not_mine\(\) where the frame is none of the login's$"
)


class OneFrame:
    """A connection on which one frame comes."""

    async def connect(self, ws_url: str, **options: Any) -> None:
        self.open = True

    async def send(self, request: object) -> None:
        raise AssertionError

    async def receive(self) -> WebSocketResponse | None:
        return WebSocketResponse({"event": "login"})

    async def disconnect(self) -> None:
        self.open = False


async def test_a_pattern_that_returns_nothing_for_a_frame_is_told() -> None:
    auth = SchemeAuth(Credentials(key="k"), None, Forgetful())
    assert auth.ws_pattern is not None
    wire = OneFrame()
    with pytest.raises(ConfigurationError, match=TOLD):
        await log_in(wire, auth.ws_pattern, auth, None, 1.0, {})
    assert not wire.open
    login = Login(auth.ws_pattern)
    [prepare] = login.dial(0.0)
    assert isinstance(prepare, do.Prepare)
    [dial] = login.prepared(PreAuth(URL), 0.1, 1.7e9, prepare.attempt)
    assert isinstance(dial, do.Dial)
    login.connected(0.2, 1.7e9, dial.epoch)
    with pytest.raises(ConfigurationError, match=TOLD):
        login.received(WebSocketResponse({"event": "login"}), 0.3, dial.epoch)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (exchange("okx"), "Exchange(okx, https://www.okx.com)"),
        (exchange("okx").scheme, "HeaderSignature()"),
        (Nonces("us", lambda: 1.0), "Nonces(us)"),
        (SchemeAuth(Credentials(key="k")), "SchemeAuth()"),
        (SchemeAuth(Credentials(key="k"), exchange("okx").scheme), "SchemeAuth(HeaderSignature)"),
        (AuthOutcome.not_mine(), "AuthOutcome(NOT_MINE)"),
        (AuthOutcome.accepted(5.0), "AuthOutcome(ACCEPTED, lifetime_s=5.0)"),
        (
            AuthOutcome.rejected("my-key", definite=False, retry_after_s=2.0),
            "AuthOutcome(REJECTED, failure=REJECTED, retry_after_s=2.0, definite=False)",
        ),
        (
            AuthOutcome.rejected("my-key", failure=AuthenticationFailure.PERMISSION),
            "AuthOutcome(REJECTED, failure=PERMISSION)",
        ),
    ],
    ids=str,
)
def test_a_repr_shows_what_is_set_and_no_more(value: object, shown: str) -> None:
    assert repr(value) == shown


def test_no_repr_of_an_exchange_shows_an_address_in_memory() -> None:
    for name in names():
        assert " at 0x" not in repr(exchange(name)) + repr(exchange(name).scheme)


@pytest.mark.parametrize("kind", [Login, Backoff])
def test_help_shows_no_object_for_a_default(kind: type) -> None:
    assert "built-in" not in str(inspect.signature(kind))
