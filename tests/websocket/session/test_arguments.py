"""What a session is given by mistake is told at once, with what to pass."""

from __future__ import annotations

from typing import Any

import pytest

from networkpype import AsyncThrottler, ConnectionManagersFactory
from networkpype.errors import ConfigurationError, NotConnectedError, Outcome, ReconnectError
from networkpype.websocket.dialects import MethodSubscribe
from networkpype.websocket.session.beats import Heartbeat
from networkpype.websocket.session.buffer import Buffer
from networkpype.websocket.session.redial import Reconnect
from networkpype.websocket.session.session import WebSocketSession
from networkpype.websocket.session.sharded import ShardedSession
from networkpype.websocket.subscriptions import Subscription

URL = "ws://127.0.0.1:1"
BTC = Subscription("btc@trade", MethodSubscribe())
Kind = type[WebSocketSession] | type[ShardedSession]
BOTH = pytest.mark.parametrize("kind", [WebSocketSession, ShardedSession])


def session_of(
    kind: Kind, factory: ConnectionManagersFactory | None = None, **options: Any
) -> WebSocketSession | ShardedSession:
    factory = factory or ConnectionManagersFactory(AsyncThrottler([]))
    if kind is ShardedSession:
        return factory.get_sharded_session(URL, max_subscriptions=9, **options)
    return factory.get_ws_session(URL, **options)


@BOTH
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["btc@trade"], r"a subscription is a str; pass a Subscription\(channel, dialect\)"),
        ([BTC, None], r"a subscription is a NoneType; pass a Subscription\(channel, dialect\)"),
        ("btc@trade", "subscriptions is a str; pass a list"),
        (BTC, "subscriptions is one Subscription; pass a list"),
        (iter([BTC]), "subscriptions is a list_iterator; pass a list"),
        (3, "subscriptions is a int; pass a list"),
    ],
)
def test_what_is_no_list_of_subscriptions_is_refused(kind: Kind, given: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as raised:
        session_of(kind, subscriptions=given)
    assert "btc@trade" not in str(raised.value)  # it may hold a listen key


@BOTH
def test_a_name_is_no_subscription_later_either(kind: Kind) -> None:
    session = session_of(kind, subscriptions=(BTC,))
    name: Any = "btc@trade"
    with pytest.raises(ConfigurationError, match="pass a Subscription"):
        session.add(name)
    assert session.subscriptions == (BTC,)


@BOTH
@pytest.mark.parametrize("made", [Heartbeat, Reconnect, Buffer])
def test_a_class_is_not_its_instance(kind: Kind, made: type) -> None:
    name = made.__name__
    option = name.lower()
    with pytest.raises(
        ConfigurationError, match=rf"^{option} is the class {name}; pass {name}\(\)"
    ):
        session_of(kind, None, **{option: made})
    with pytest.raises(ConfigurationError, match=rf"^{option} is a int; pass a {name}\(\.\.\.\)"):
        session_of(kind, None, **{option: 5})
    assert session_of(kind, None, **{option: made()}).subscriptions == ()


@BOTH
async def test_a_session_that_is_closed_takes_no_subscription(kind: Kind) -> None:
    session = session_of(kind, subscriptions=[BTC])
    await session.close()
    with pytest.raises(NotConnectedError, match=r"closed for good.*from the factory") as raised:
        session.add(Subscription("eth@trade", MethodSubscribe()))
    assert raised.value.outcome is Outcome.NOT_SENT
    assert session.subscriptions == (BTC,)
    session.remove(BTC)  # nothing is lost by that


@BOTH
async def test_a_session_that_failed_tells_why(kind: Kind) -> None:
    async with ConnectionManagersFactory(AsyncThrottler([])) as factory:
        session = session_of(kind, factory, reconnect=Reconnect(most_attempts=1))
        async with session:
            with pytest.raises(ReconnectError):
                await session.ready(5)
            with pytest.raises(ReconnectError, match="gave up after 1 connection"):
                session.add(BTC)
    assert session.subscriptions == ()
