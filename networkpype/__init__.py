"""networkpype: the connection layer under an exchange connector.

Take the auth of an exchange from `networkpype.exchanges`, or subclass `Auth`; declare `RateLimit`s,
hand both to a `ConnectionManagersFactory`, and talk to the exchange through its REST and WebSocket
managers.
"""

from networkpype._version import __version__
from networkpype.auth import Auth
from networkpype.auth.identity import Identity
from networkpype.auth.login import Login
from networkpype.auth.outcome import AuthOutcome, AuthStatus, PreAuth
from networkpype.auth.patterns.base import WebSocketAuthPattern
from networkpype.auth.scheme_auth import SchemeAuth
from networkpype.auth.schemes.base import RESTScheme
from networkpype.auth.standing import LoginState
from networkpype.circuit import CircuitBreaker, CircuitState
from networkpype.clock import Clock, SystemClock
from networkpype.codec import JSONLoads, decimal_loads
from networkpype.credentials import Credentials
from networkpype.errors import (
    AlreadyConnectedError,
    AuthenticationError,
    AuthenticationFailure,
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
    Outcome,
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
from networkpype.factory import ConnectionManagersFactory, ConnectionsFactory
from networkpype.hooks import (
    CircuitClosed,
    CircuitOpened,
    ClockStepped,
    ClockSyncFailed,
    ClockSynchronized,
    Event,
    Hook,
    LimitBlocked,
    LimitCorrected,
    LimitStoreLost,
    LimitStoreRestored,
    LimitUnblocked,
    LoggedIn,
    LoginExpired,
    LoginFailed,
    LoginRejected,
    LoginRenewed,
    RenewalFailed,
    RequestFinished,
    RetryScheduled,
    ThrottleRefused,
    ThrottleWaited,
    WebSocketClosed,
    WebSocketOpened,
    fan_out,
)
from networkpype.rest.connection import RESTConnection
from networkpype.rest.manager import RESTManager
from networkpype.rest.method import RESTMethod
from networkpype.rest.processor.base import RESTPostProcessor, RESTPreProcessor
from networkpype.rest.processor.time_synchronizer import TimeSynchronizerRESTPreProcessor
from networkpype.rest.request import RESTRequest
from networkpype.rest.response import RESTResponse
from networkpype.retry import Backoff, RetryBudget, RetryDecision, RetryPolicy
from networkpype.shared.limits import RedisLimitStore
from networkpype.shared.nonces import RedisNonces
from networkpype.shared.tokens import RedisTokens
from networkpype.throttler.context import AsyncRequestContext, InFlightContext
from networkpype.throttler.kinds import LimitKind, Priority
from networkpype.throttler.learning import Pause, RemainingHeader, UsedHeader
from networkpype.throttler.rate_limit import (
    LimitUsage,
    LinkedLimitWeightPair,
    RateLimit,
    TaskLog,
)
from networkpype.throttler.throttler import AsyncThrottler
from networkpype.time_synchronizer import TimeSynchronizer
from networkpype.websocket.connection import WebSocketConnection
from networkpype.websocket.decoding import Compression
from networkpype.websocket.manager import WebSocketManager
from networkpype.websocket.processor.base import WebSocketPostProcessor, WebSocketPreProcessor
from networkpype.websocket.request import (
    WebSocketBinaryRequest,
    WebSocketJSONRequest,
    WebSocketPlainTextRequest,
    WebSocketRequest,
)
from networkpype.websocket.response import WebSocketResponse
from networkpype.websocket.session.beats import Heartbeat
from networkpype.websocket.session.buffer import Buffer
from networkpype.websocket.session.events import (
    Connected,
    Disconnected,
    Gap,
    LoopBlocked,
    Ready,
    SessionEvent,
    SessionMessage,
    ShardMessage,
    Stale,
    SubscribeFailed,
)
from networkpype.websocket.session.redial import Reconnect
from networkpype.websocket.session.session import WebSocketSession
from networkpype.websocket.session.sharded import ShardedSession
from networkpype.websocket.subscriptions import Ack, Dialect, Subscription

__all__ = [
    "Ack",
    "AlreadyConnectedError",
    "AsyncRequestContext",
    "AsyncThrottler",
    "Auth",
    "AuthOutcome",
    "AuthStatus",
    "AuthenticationError",
    "AuthenticationFailure",
    "Backoff",
    "BodyTooLargeError",
    "Buffer",
    "BufferFullError",
    "CircuitBreaker",
    "CircuitClosed",
    "CircuitOpenError",
    "CircuitOpened",
    "CircuitState",
    "Clock",
    "ClockStepped",
    "ClockSyncFailed",
    "ClockSynchronized",
    "Compression",
    "ConcurrentReceiveError",
    "ConfigurationError",
    "ConnectFailedError",
    "Connected",
    "ConnectionManagersFactory",
    "ConnectionsFactory",
    "Credentials",
    "DecodeError",
    "Dialect",
    "Disconnected",
    "Event",
    "Gap",
    "HTTPAuthenticationError",
    "HTTPStatusError",
    "Heartbeat",
    "Hook",
    "Identity",
    "InFlightContext",
    "JSONLoads",
    "LimitBlocked",
    "LimitCorrected",
    "LimitKind",
    "LimitStoreLost",
    "LimitStoreRestored",
    "LimitUnblocked",
    "LimitUsage",
    "LinkedLimitWeightPair",
    "LoggedIn",
    "Login",
    "LoginExpired",
    "LoginFailed",
    "LoginRejected",
    "LoginRenewed",
    "LoginState",
    "LoopBlocked",
    "MessageTimeoutError",
    "MissingCredentialsError",
    "MissingExtraError",
    "NetworkpypeError",
    "NotConnectedError",
    "Outcome",
    "Pause",
    "PreAuth",
    "Priority",
    "RESTConnection",
    "RESTManager",
    "RESTMethod",
    "RESTPostProcessor",
    "RESTPreProcessor",
    "RESTRequest",
    "RESTResponse",
    "RESTScheme",
    "RateLimit",
    "RateLimitedError",
    "Ready",
    "Reconnect",
    "ReconnectError",
    "RedirectRefusedError",
    "RedisLimitStore",
    "RedisNonces",
    "RedisTokens",
    "RemainingHeader",
    "RenewalFailed",
    "RequestFinished",
    "RequestTimeoutError",
    "RetryBudget",
    "RetryDecision",
    "RetryPolicy",
    "RetryScheduled",
    "SchemeAuth",
    "SessionEvent",
    "SessionMessage",
    "ShardMessage",
    "ShardedSession",
    "SharedNonceError",
    "SharedTokenError",
    "Stale",
    "StreamGapError",
    "SubscribeFailed",
    "Subscription",
    "SystemClock",
    "TLSError",
    "TaskLog",
    "ThrottleRefused",
    "ThrottleTimeoutError",
    "ThrottleWaited",
    "TimeSynchronizer",
    "TimeSynchronizerRESTPreProcessor",
    "TransportError",
    "UnknownLimitError",
    "UsedHeader",
    "WebSocketAuthPattern",
    "WebSocketBinaryRequest",
    "WebSocketClosed",
    "WebSocketClosedError",
    "WebSocketConnection",
    "WebSocketJSONRequest",
    "WebSocketManager",
    "WebSocketOpened",
    "WebSocketPlainTextRequest",
    "WebSocketPostProcessor",
    "WebSocketPreProcessor",
    "WebSocketRequest",
    "WebSocketResponse",
    "WebSocketSession",
    "WeightExceedsLimitError",
    "__version__",
    "decimal_loads",
    "fan_out",
]
