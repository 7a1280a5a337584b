"""The connector: one account of CoinEx, its calls and its stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from types import TracebackType
from typing import Self, TypeAlias

from examples.coinex.book import OrderBook
from examples.coinex.messages import Depth, Message, read
from examples.coinex.rest import RATE_LIMITS, CoinExREST
from networkpype import (
    AsyncThrottler,
    Compression,
    ConnectionManagersFactory,
    Credentials,
    Gap,
    Hook,
    Reconnect,
    SessionEvent,
    SessionMessage,
    Subscription,
    TimeSynchronizer,
    TimeSynchronizerRESTPreProcessor,
    WebSocketSession,
)
from networkpype.exchanges import Exchange, exchange, exchange_auth
from networkpype.websocket.pings import heartbeat_of
from networkpype.websocket.spoken import spoken_by

__all__ = ["CoinEx", "Item"]

Item: TypeAlias = Message | OrderBook | SessionEvent
"""What the stream yields: messages, a book that changed, and what became of the connection."""

_DEPTH_LIMIT = 20
_DIALECT = spoken_by("coinex")


class CoinEx:
    """Trade and listen; use it with ``async with``.

    Without `credentials` everything public works. `target` is the exchange at another address than
    its own, such as a mock's. `ping_s` is how often CoinEx hears from us: every 30 s, as it asks
    for. Frames come as `compression` says.
    """

    def __init__(
        self,
        credentials: Credentials | None = None,
        markets: Sequence[str] = ("BTCUSDT",),
        *,
        target: Exchange | None = None,
        compression: Compression | None = "gzip",
        ping_s: float = 30.0,
        pong_s: float = 10.0,
        reconnect: Reconnect | None = None,
        hook: Hook | None = None,
    ) -> None:
        target = target or exchange("coinex")
        self.clock = TimeSynchronizer(hook=hook)
        self.throttler = AsyncThrottler(RATE_LIMITS, hook=hook)
        self.books = {market: OrderBook(market) for market in markets}
        self._is_private = credentials is not None
        self._ws_url = "" if target.pattern is None else target.pattern.url
        self._compression = compression
        self._heartbeat = heartbeat_of("coinex", message_s=ping_s, reply_s=pong_s)
        self._reconnect = reconnect
        self._factory = ConnectionManagersFactory(
            self.throttler,
            None
            if credentials is None
            else exchange_auth(target, credentials, time_provider=self.clock),
            [TimeSynchronizerRESTPreProcessor(self.clock, self._server_time)],
            time_synchronizer=self.clock,
            base_url=target.rest_url,
            hook=hook,
        )
        self._depths = {market: _depth(market) for market in markets}
        self._renewing: set[str] = set()
        self._ending: set[str] = set()

    async def __aenter__(self) -> Self:
        await self._factory.__aenter__()
        self.rest = CoinExREST(await self._factory.get_rest_manager())
        self.session = self._new_session()
        try:
            if self._is_private:  # a signature holds the time, and the login is signed too
                await self.clock.sync(self.rest.server_time, samples=3)
        except BaseException:
            await self._factory.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the stream and every connection."""
        await self.session.close()
        await self._factory.close()

    async def _server_time(self) -> float:
        return await self.rest.server_time()

    def _new_session(self) -> WebSocketSession:
        markets = list(self.books)
        public = [_topic(name, markets) for name in ("state", "deals")]
        private = [_topic(name, markets, private=True) for name in ("order", "user_deals")]
        private.append(Subscription(("balance", {"ccy_list": []}), _DIALECT, private=True))
        return self._factory.get_ws_session(
            self._ws_url,
            subscriptions=[
                *(private if self._is_private else ()),
                *public,
                *self._depths.values(),
            ],
            heartbeat=self._heartbeat,
            reconnect=self._reconnect,
            compression=self._compression,
        )

    async def stream(self) -> AsyncGenerator[Item, None]:
        """Yield everything that is heard, in order, until `close`; it is for one use.

        A `Gap` stands where messages are missing: ask `rest` for what you keep of orders and
        balances. The books mend themselves.
        """
        async with self.session as session:
            async for item in session:
                if isinstance(item, SessionMessage):
                    for message in read(item.data):
                        yield self._follow(message)
                    continue
                if isinstance(item, Gap):
                    self._renewing.clear()
                    for book in self.books.values():
                        book.clear()
                self._ask_again()
                yield item

    def _follow(self, message: Message) -> Message | OrderBook:
        """Return the message, or the book that it changes."""
        if not isinstance(message, Depth) or message.market not in self.books:
            return message
        book = self.books[message.market]
        if book.apply(message.depth, is_full=message.is_full):
            self._renewing.discard(message.market)
        elif message.market not in self._renewing:
            # Subscribe anew, for the first push is the whole book; first the old one has to end.
            self._renewing.add(message.market)
            self._ending.add(message.market)
            self.session.remove(self._depths[message.market])
        return book

    def _ask_again(self) -> None:
        """Subscribe to the depths whose old subscription has ended; an event told of it."""
        live = self.session.live
        for market in [each for each in self._ending if self._depths[each].key not in live]:
            self._ending.remove(market)
            self.session.add(self._depths[market])


def _topic(name: str, markets: Sequence[str], *, private: bool = False) -> Subscription:
    return Subscription((name, {"market_list": list(markets)}), _DIALECT, private=private)


def _depth(market: str) -> Subscription:
    # "0": prices are not merged. False: after the whole book, only what changes.
    params = {"market_list": [[market, _DEPTH_LIMIT, "0", False]]}
    return Subscription(("depth", params), _DIALECT, key=("depth", market))
