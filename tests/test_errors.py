"""Every error carries an outcome, pickles, and is one of the builtins that 1.1.5's users catch."""

from __future__ import annotations

import asyncio
import copy
import inspect
import pickle
from typing import Any

import pytest
from multidict import CIMultiDict

from networkpype import AuthenticationFailure, Outcome, errors
from networkpype.errors import (
    AlreadyConnectedError,
    AuthenticationError,
    BodyTooLargeError,
    BufferFullError,
    CircuitOpenError,
    ConcurrentReceiveError,
    ConfigurationError,
    ConnectFailedError,
    DecodeError,
    HTTPAuthenticationError,
    HTTPStatusError,
    MessageTimeoutError,
    MissingCredentialsError,
    MissingExtraError,
    NetworkpypeError,
    NotConnectedError,
    RateLimitedError,
    ReconnectError,
    RedirectRefusedError,
    RequestTimeoutError,
    SharedNonceError,
    SharedTokenError,
    StreamGapError,
    ThrottleTimeoutError,
    TLSError,
    TransportError,
    UnknownLimitError,
    WebSocketClosedError,
    WeightExceedsLimitError,
)

NOT_SENT, REJECTED, UNKNOWN = Outcome.NOT_SENT, Outcome.REJECTED, Outcome.UNKNOWN
ANSWER: dict[str, Any] = {
    "status": 429,
    "headers": CIMultiDict({"X-Used": "7"}),
    "body": "slow down",
    "method": "POST",
    "url": "https://h/v1",
    "outcome": UNKNOWN,
}

ERRORS: list[tuple[NetworkpypeError, Outcome, tuple[type[Exception], ...]]] = [
    (NetworkpypeError("text"), UNKNOWN, (Exception,)),
    (ConfigurationError("text"), NOT_SENT, (ValueError,)),
    (UnknownLimitError("ordr", ["order", "ip"]), NOT_SENT, (ConfigurationError, ValueError)),
    (WeightExceedsLimitError("text"), NOT_SENT, (ConfigurationError,)),
    (MissingCredentialsError("text"), NOT_SENT, (ConfigurationError,)),
    (MissingExtraError("text"), NOT_SENT, (ConfigurationError, ImportError)),
    (
        AuthenticationError("text", reason=AuthenticationFailure.NONCE, skew_ms=-12.5),
        REJECTED,
        (NetworkpypeError,),
    ),
    (TransportError("text"), UNKNOWN, (OSError,)),
    (TransportError("text", outcome=NOT_SENT), NOT_SENT, (OSError,)),
    (ConnectFailedError("text"), NOT_SENT, (TransportError, ConnectionError)),
    (TLSError("text"), NOT_SENT, (ConnectFailedError,)),
    (RequestTimeoutError("text"), UNKNOWN, (TransportError, TimeoutError, asyncio.TimeoutError)),
    (RequestTimeoutError("text", outcome=NOT_SENT), NOT_SENT, (TimeoutError,)),
    (RedirectRefusedError("text", status=307, outcome=REJECTED), REJECTED, (TransportError,)),
    (
        WebSocketClosedError("text", code=4001, reason="kicked"),
        UNKNOWN,
        (TransportError, ConnectionError),
    ),
    (HTTPStatusError("text", **ANSWER), UNKNOWN, (OSError,)),
    (HTTPStatusError("text", status=400), REJECTED, (OSError,)),
    (RateLimitedError("text", retry_after=1.5, **ANSWER), UNKNOWN, (HTTPStatusError,)),
    (
        HTTPAuthenticationError("text", **ANSWER),
        UNKNOWN,
        (HTTPStatusError, AuthenticationError, OSError),
    ),
    (DecodeError("text", raw=b"the answer"), UNKNOWN, (ValueError,)),
    (BodyTooLargeError("text", raw=b"the answer"), UNKNOWN, (DecodeError, ValueError)),
    (MessageTimeoutError("text"), NOT_SENT, (TimeoutError,)),
    (NotConnectedError("text"), NOT_SENT, (RuntimeError,)),
    (StreamGapError("text", lost=3), NOT_SENT, ()),
    (SharedNonceError("late"), NOT_SENT, (TransportError,)),
    (SharedTokenError("late"), NOT_SENT, (TransportError,)),
    (SharedTokenError("late", UNKNOWN), UNKNOWN, (TransportError,)),
    (BufferFullError("text"), NOT_SENT, ()),
    (ThrottleTimeoutError("text", limit_id="ip"), NOT_SENT, (TimeoutError,)),
    (CircuitOpenError("text", host="a.example"), NOT_SENT, (ConnectionError,)),
    (ReconnectError("text", code=1008), NOT_SENT, (ConnectionError,)),
    (AlreadyConnectedError("text"), NOT_SENT, (RuntimeError,)),
    (ConcurrentReceiveError("text"), NOT_SENT, (RuntimeError,)),
]


@pytest.mark.parametrize(("error", "outcome", "bases"), ERRORS, ids=lambda x: type(x).__name__)
def test_the_tree_says_what_it_promises(
    error: NetworkpypeError, outcome: Outcome, bases: tuple[type[Exception], ...]
) -> None:
    assert error.outcome is outcome
    assert all(isinstance(error, base) for base in bases)
    if not isinstance(error, (UnknownLimitError, SharedNonceError, SharedTokenError)):
        assert str(error) == "text"


@pytest.mark.parametrize("duplicate", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy])
@pytest.mark.parametrize(("error", "outcome", "bases"), ERRORS, ids=lambda x: type(x).__name__)
def test_an_error_survives_a_pickle_with_all_it_carries(
    error: NetworkpypeError,
    outcome: Outcome,
    bases: tuple[type[Exception], ...],
    duplicate: Any,
) -> None:
    twin = duplicate(error)
    assert type(twin) is type(error)
    assert (str(twin), twin.args) == (str(error), error.args)
    carried = {**vars(error), "outcome": outcome}
    if isinstance(error, DecodeError):
        assert vars(twin)["raw"] == b""  # an answer stays in its process
        carried["raw"] = b""
    assert {**vars(twin), "outcome": twin.outcome} == carried


def test_a_pickle_holds_nothing_of_an_answers_bytes() -> None:
    for kind in (DecodeError, BodyTooLargeError):
        error = kind("text", raw=b"a token in a login")
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            assert b"a token" not in pickle.dumps(error, protocol)
        assert error.raw == b"a token in a login"


def test_every_error_is_in_this_table_and_in_the_drawing() -> None:
    public = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, NetworkpypeError)
    }
    assert public == {type(error).__name__ for error, *_ in ERRORS}
    assert public < set(errors.__all__)
    drawn = errors.__doc__ or ""
    assert [name for name in public if name not in drawn] == []


@pytest.mark.parametrize(
    ("limit_id", "known", "text"),
    [
        (
            "order",
            ["ip", "orders"],
            'no rate limit "order"; did you mean "orders"? known: ip, orders',
        ),
        ("xyz", ["ip"], 'no rate limit "xyz"; known: ip'),
        ("xyz", [], 'no rate limit "xyz"; known: none'),
        (
            "",
            ["b", "a"],
            'no rate limit ""; known: a, b; name one: pass throttler_limit_id="a", to the call, '
            "or to exchange_auth(...) for the REST calls of a login",
        ),
        (None, ["ip"], 'no rate limit "None"; known: ip'),
    ],
)
def test_an_unknown_limit_names_the_nearest(limit_id: object, known: list[str], text: str) -> None:
    assert str(UnknownLimitError(limit_id, known)) == text
