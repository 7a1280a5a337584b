"""In what order one REST call happens: capacity, processors, signature, socket, processors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from networkpype.circuit import CircuitBreaker
from networkpype.codec import JSONLoads
from networkpype.errors import ConfigurationError, DecodeError
from networkpype.hooks import Hook
from networkpype.rest.attempt import Sender
from networkpype.rest.attempts import Attempts, Call
from networkpype.rest.build import build_request, check_base_url, check_timeout
from networkpype.rest.connection import RESTConnection
from networkpype.rest.method import RESTMethod
from networkpype.rest.refused_clock import TimestampRefused, is_timestamp_refusal, refused_clock
from networkpype.rest.request import RESTRequest, header_value
from networkpype.rest.response import RESTResponse
from networkpype.retry import RetryBudget, RetryPolicy, check_idempotency_key
from networkpype.throttler.throttler import AsyncThrottler
from networkpype.wire import Params

if TYPE_CHECKING:
    from networkpype.auth.base import Auth
    from networkpype.rest.processor.base import RESTPostProcessor, RESTPreProcessor
    from networkpype.throttler.kinds import Priority
    from networkpype.time_synchronizer import TimeSynchronizer

__all__ = ["DEFAULT_TIMEOUT_S", "RESTManager"]

DEFAULT_TIMEOUT_S = 30.0


class RESTManager:
    """Execute requests: throttled, processed, signed, sent once, read to the end, parsed.

    `base_url` goes before a request's `endpoint_url` where it has no `url`. `timeout_s` (30 s) is
    the deadline of calls that bring none. `hook` receives a `RequestFinished` for every attempt.

    `retry` says what is sent again; without one each call is one attempt. `retry_budget` bounds
    the retries of all calls. `circuit_breaker` keeps off hosts that fail. `time_synchronizer` is
    the clock that signs, measured anew where the exchange refuses a timestamp; a
    TimeSynchronizerRESTPreProcessor brings its own. `timestamp_refused` knows such answers, by
    default those of eight exchanges.
    """

    def __init__(
        self,
        connection: RESTConnection,
        throttler: AsyncThrottler,
        rest_pre_processors: Sequence[RESTPreProcessor] | None = None,
        rest_post_processors: Sequence[RESTPostProcessor] | None = None,
        auth: Auth | None = None,
        *,
        base_url: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        hook: Hook | None = None,
        retry: RetryPolicy | None = None,
        retry_budget: RetryBudget | None = None,
        circuit_breaker: CircuitBreaker | None = None,
        time_synchronizer: TimeSynchronizer | None = None,
        timestamp_refused: TimestampRefused = is_timestamp_refusal,
    ) -> None:
        self._auth = auth
        self._base_url = check_base_url(base_url)
        self._timeout_s = check_timeout(timeout_s)
        self._retry = check_retry(retry)
        pre_processors = list(rest_pre_processors or ())
        self._sender = Sender(
            connection,
            pre_processors,
            list(rest_post_processors or ()),
            auth,
            self._base_url,
            hook,
            circuit_breaker,
        )
        self._attempts = Attempts(
            self._sender,
            throttler,
            RetryBudget() if retry_budget is None else retry_budget,
            refused_clock(time_synchronizer, pre_processors),
            timestamp_refused,
            hook,
            connection.waits,
        )

    async def execute_request(
        self,
        url: str | None = None,
        throttler_limit_id: str = "",
        params: Params | None = None,
        data: Any = None,
        method: RESTMethod = RESTMethod.GET,
        is_auth_required: bool = False,
        return_err: bool = False,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        endpoint_url: str | None = None,
        json_loads: JSONLoads | None = None,
        retry: RetryPolicy | Literal[False] | None = None,
        idempotent: bool | None = None,
        idempotency_key: str | None = None,
        max_wait: float | None = None,
        priority: Priority | None = None,
        **kwargs: Any,
    ) -> Any:
        """Send a request when its limits allow and return the parsed body, None for an empty one.

        Top-level None values of `params` and `data` are dropped. The Content-Type is JSON for a
        body and form for a bare GET unless `headers` say otherwise. `timeout` (seconds) starts when
        capacity is granted and covers processors, signature, connect, headers and body; each
        attempt has it. `json_loads` parses this answer (`decimal_loads` keeps prices exact).
        `kwargs` are options of aiohttp (`ssl`, `proxy`, ...).

        `retry` replaces the manager's policy, False for one attempt. `idempotent` is your word that
        a second one does no harm, such as an order with a client order id that the exchange takes
        once; so is an `idempotency_key`, which each attempt carries in the policy's header.
        `max_wait` is how many seconds each attempt may wait for capacity, by default as many as the
        throttler says, ``math.inf`` for no bound; `priority` tells whether it goes before others.

        Raises HTTPStatusError (with `return_err` its parsed body is returned instead, or its text
        where it is no JSON), DecodeError, TransportError, AuthenticationError from an auth,
        ThrottleTimeoutError and CircuitOpenError, and ConfigurationError before anything is sent.
        """
        request = build_request(
            url, throttler_limit_id, params, data, method, is_auth_required, headers, endpoint_url
        )
        if json_loads is not None and not callable(json_loads):
            raise ConfigurationError(
                f"json_loads is a {type(json_loads).__name__}; pass a callable"
            )
        call = Call(request, 0.0, return_err, kwargs, idempotent, priority, max_wait)
        response = await self._execute(call, timeout, retry, idempotency_key)
        if response.status < 400:
            return response.parse(json_loads)
        try:
            return response.parse(json_loads)
        except DecodeError:
            return await response.text()

    async def execute_request_and_get_response(
        self,
        url: str | None = None,
        throttler_limit_id: str = "",
        params: Params | None = None,
        data: Any = None,
        method: RESTMethod = RESTMethod.GET,
        is_auth_required: bool = False,
        return_err: bool = False,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        endpoint_url: str | None = None,
        retry: RetryPolicy | Literal[False] | None = None,
        idempotent: bool | None = None,
        idempotency_key: str | None = None,
        max_wait: float | None = None,
        priority: Priority | None = None,
        **kwargs: Any,
    ) -> RESTResponse:
        """Do as `execute_request` does and return the whole response: status, headers, body.

        With `return_err` a 4xx or 5xx response is returned instead of raised.
        """
        request = build_request(
            url, throttler_limit_id, params, data, method, is_auth_required, headers, endpoint_url
        )
        call = Call(request, 0.0, return_err, kwargs, idempotent, priority, max_wait)
        return await self._execute(call, timeout, retry, idempotency_key)

    async def call(
        self,
        request: RESTRequest,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> RESTResponse:
        """Copy, process, sign and send one request without throttling; any status but 3xx returns.

        It is one attempt, whatever the manager's policy. The caller's request is never changed.
        """
        if not isinstance(request, RESTRequest):
            raise ConfigurationError(f"request is a {type(request).__name__}; pass a RESTRequest")
        self._sender.refuse_early(request, kwargs)
        limit_s = self._timeout_s if timeout is None else check_timeout(timeout)
        response, _ = await self._sender.send(request.__deepcopy__({}), limit_s, kwargs)
        return response

    async def _execute(
        self,
        call: Call,
        timeout: float | None,
        retry: RetryPolicy | Literal[False] | None,
        idempotency_key: str | None,
    ) -> RESTResponse:
        policy = self._retry if retry is None else check_retry(retry)
        if call.idempotent is not None and not isinstance(call.idempotent, bool):
            raise ConfigurationError(f"idempotent is {call.idempotent!r}; pass True or False")
        if idempotency_key is not None:
            if call.idempotent is False:
                raise ConfigurationError(
                    "idempotent=False and an idempotency_key contradict each other; pass one"
                )
            # Without a policy it is sent as well: the caller may repeat the call by hand.
            put_key(call.request, idempotency_key, policy or self._retry or _KEY_ALONE)
            call.idempotent = True
        self._attempts.refuse_early(call)
        call.limit_s = self._timeout_s if timeout is None else check_timeout(timeout)
        return await (
            self._attempts.once(call) if policy is None else self._attempts.by(policy, call)
        )

    def __repr__(self) -> str:
        auth = None if self._auth is None else type(self._auth).__name__
        return f"RESTManager(base_url={self._base_url!r}, auth={auth})"


_KEY_ALONE = RetryPolicy(attempts=1)


def check_retry(retry: object) -> RetryPolicy | None:
    """Return the policy, None for one attempt."""
    if retry is None or retry is False:
        return None
    if not isinstance(retry, RetryPolicy):
        raise ConfigurationError(
            f"retry is {retry!r}; pass a RetryPolicy, or False for one attempt"
        )
    return retry


def put_key(request: RESTRequest, key: str, policy: RetryPolicy) -> None:
    """Put the idempotency key into its header, which every attempt carries."""
    name = policy.idempotency_header
    key = check_idempotency_key(key)
    given = header_value(request.headers, name.lower())
    if given is not None and given != key:
        raise ConfigurationError(f"header {name} and idempotency_key differ; pass one of them")
    if given is None:
        request.headers = {**(request.headers or {}), name: key}
