"""In what order one REST call happens: capacity, processors, signature, socket, processors."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from networkpype.codec import JSONLoads
from networkpype.deadline import Deadline, Deadlines
from networkpype.errors import (
    ConfigurationError,
    DecodeError,
    HTTPStatusError,
    MissingCredentialsError,
    NetworkpypeError,
    Outcome,
    TransportError,
)
from networkpype.hooks import Hook, RequestFinished, emit
from networkpype.redact import mask_url
from networkpype.rest.build import build_request, check_base_url, check_timeout, join_url
from networkpype.rest.connection import (
    RESTConnection,
    check_options,
    request_secrets,
    rest_failure,
)
from networkpype.rest.method import RESTMethod
from networkpype.rest.request import RESTRequest
from networkpype.rest.response import RESTResponse
from networkpype.status import status_error
from networkpype.throttler.context import InFlightContext
from networkpype.throttler.throttler import AsyncThrottler
from networkpype.transport import Flight
from networkpype.wire import Params

if TYPE_CHECKING:
    from networkpype.auth.base import Auth
    from networkpype.rest.processor.base import RESTPostProcessor, RESTPreProcessor

__all__ = ["DEFAULT_TIMEOUT_S", "RESTManager"]

DEFAULT_TIMEOUT_S = 30.0

_log = logging.getLogger(__name__)


class RESTManager:
    """Execute requests: throttled, processed, signed, sent once, read to the end, parsed.

    `base_url` goes before a request's `endpoint_url` where it has no `url`. `timeout_s` (30 s) is
    the deadline of calls that bring none. `hook` receives a `RequestFinished` for every attempt.
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
    ) -> None:
        self._connection = connection
        self._throttler = throttler
        # One of the user's own, or one that says anew what a task is, is entered as 1.1.5 did.
        self._holds = getattr(type(throttler), "execute_task", None) is AsyncThrottler.execute_task
        self._pre_processors = list(rest_pre_processors or ())
        self._post_processors = list(rest_post_processors or ())
        self._auth = auth
        self._base_url = check_base_url(base_url)
        self._timeout_s = check_timeout(timeout_s)
        self._hook = hook
        self._deadlines = Deadlines()

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
        **kwargs: Any,
    ) -> Any:
        """Send a request when its limits allow and return the parsed body, None for an empty one.

        Top-level None values of `params` and `data` are dropped. The Content-Type is JSON for a
        body and form for a bare GET unless `headers` say otherwise. `timeout` (seconds) starts when
        capacity is granted and covers processors, signature, connect, headers and body.
        `json_loads` parses this answer (`decimal_loads` keeps prices exact). `kwargs` are options
        of aiohttp (`ssl`, `proxy`, ...).

        Raises HTTPStatusError (with `return_err` its parsed body is returned instead, or its text
        where it is no JSON), DecodeError, TransportError, AuthenticationError from an auth, and
        ConfigurationError before anything is sent.
        """
        request = build_request(
            url, throttler_limit_id, params, data, method, is_auth_required, headers, endpoint_url
        )
        if json_loads is not None and not callable(json_loads):
            raise ConfigurationError(
                f"json_loads is a {type(json_loads).__name__}; pass a callable"
            )
        response = await self._execute(request, return_err, timeout, kwargs)
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
        **kwargs: Any,
    ) -> RESTResponse:
        """Do as `execute_request` does and return the whole response: status, headers, body.

        With `return_err` a 4xx or 5xx response is returned instead of raised.
        """
        request = build_request(
            url, throttler_limit_id, params, data, method, is_auth_required, headers, endpoint_url
        )
        return await self._execute(request, return_err, timeout, kwargs)

    async def call(
        self,
        request: RESTRequest,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> RESTResponse:
        """Copy, process, sign and send one request without throttling; any status but 3xx returns.

        The caller's request is never changed.
        """
        if not isinstance(request, RESTRequest):
            raise ConfigurationError(f"request is a {type(request).__name__}; pass a RESTRequest")
        limit_s = self._refuse_early(request, timeout, kwargs)
        response, _ = await self._attempt(request.__deepcopy__({}), limit_s, kwargs)
        return response

    async def _execute(
        self,
        request: RESTRequest,
        return_err: bool,
        timeout: float | None,
        kwargs: dict[str, Any],
    ) -> RESTResponse:
        # One attempt. A retry policy belongs here: each further attempt copies the request anew,
        # waits for capacity again and is signed afresh.
        limit_s = self._refuse_early(request, timeout, kwargs)
        limit_id = request.throttler_limit_id or ""
        if self._holds:
            async with self._throttler.in_flight(limit_id, departed=False) as slot:
                response, sent = await self._attempt(request, limit_s, kwargs, slot)
        else:
            async with self._throttler.execute_task(limit_id):
                response, sent = await self._attempt(request, limit_s, kwargs)
        if response.status >= 400 and not return_err:
            raise await rest_status_error(response, sent)
        return response

    async def _attempt(
        self,
        request: RESTRequest,
        limit_s: float,
        kwargs: dict[str, Any],
        slot: InFlightContext | None = None,
    ) -> tuple[RESTResponse, RESTRequest]:
        """Send a request that is ours to change; return the response and what was sent."""
        flight = Flight()
        started = time.monotonic()
        response: RESTResponse | None = None
        failure: BaseException | None = None
        scope = Deadline(self._deadlines, limit_s)
        try:
            with scope:
                request = await self._prepare(request)
                if slot is not None:
                    await slot.depart()
                response = await self._connection.call(request, flight=flight, **kwargs)
                if slot is not None:
                    slot.land()  # what processes the answer may need the same limit
                if self._post_processors:
                    response = await self._post_process(response)
                return response, request
        except BaseException as error:
            failure = error
            # Only our own deadline is translated; what a processor or auth raises is theirs.
            expired = isinstance(error, TimeoutError) and scope.expired
            if not expired or isinstance(error, NetworkpypeError):
                # The request was answered: what comes later cannot make it unsent.
                if response is not None and isinstance(error, NetworkpypeError):
                    error.outcome = after_the_answer(error.outcome)
                raise
            failure = timed_out(request, limit_s, flight)
        finally:
            if self._hook is not None or _log.isEnabledFor(logging.DEBUG):
                self._announce(request, response, failure, flight, started)
        raise failure  # out here, so that no context keeps what aiohttp raised

    async def _prepare(self, request: RESTRequest) -> RESTRequest:
        private = request.is_auth_required
        for processor in self._pre_processors:
            request = returned(await processor.pre_process(request), processor, "pre_process")
        if request.url is None:
            request.url = join_url(self._base_url, request.endpoint_url)
        # Whatever the processors built anew, a private request never goes out unsigned.
        if private or request.is_auth_required:
            request.is_auth_required = True
            auth = self._auth_for(request)
            request = returned(await auth.rest_authenticate(request), auth, "rest_authenticate")
        return request

    async def _post_process(self, response: RESTResponse) -> RESTResponse:
        for processor in self._post_processors:
            response = await processor.post_process(response)
            if response is None:
                raise ConfigurationError(
                    f"{type(processor).__name__}.post_process returned None; "
                    "it must return the response to hand on",
                    outcome=Outcome.UNKNOWN,
                )
        return response

    def _refuse_early(
        self, request: RESTRequest, timeout: float | None, kwargs: dict[str, Any]
    ) -> float:
        """Raise what can be known to be wrong before capacity is waited and paid for.

        Return the deadline in seconds.
        """
        check_options(kwargs)
        if request.is_auth_required:
            self._auth_for(request)
        if request.url is not None:
            _ = request.wire_url  # raises for what is no URL
        elif not self._pre_processors:  # one of them may set the url
            join_url(self._base_url, request.endpoint_url)
        return self._timeout_s if timeout is None else check_timeout(timeout)

    def _auth_for(self, request: RESTRequest) -> Auth:
        if self._auth is None:
            raise MissingCredentialsError(
                # By its own name: a dataclass below it may print every field.
                f"{RESTRequest.__repr__(request)} is private and no auth is configured, "
                "so nothing was sent; "
                "pass auth= to ConnectionManagersFactory"
            )
        return self._auth

    def _announce(
        self,
        request: RESTRequest,
        response: RESTResponse | None,
        failure: BaseException | None,
        flight: Flight,
        started: float,
    ) -> None:
        outcome = None
        if failure is not None:
            lost = Outcome.UNKNOWN if flight.written else Outcome.NOT_SENT
            outcome = failure.outcome if isinstance(failure, NetworkpypeError) else lost
        event = RequestFinished(
            method=str(request.method),
            url=mask_url(request.url or request.endpoint_url or ""),
            status=None if response is None else response.status,
            elapsed_s=time.monotonic() - started,
            error=None if failure is None else type(failure).__name__,
            outcome=outcome,
        )
        _log.debug("%s", event)
        emit(self._hook, event)

    def __repr__(self) -> str:
        auth = None if self._auth is None else type(self._auth).__name__
        return f"RESTManager(base_url={self._base_url!r}, auth={auth})"


def after_the_answer(outcome: Outcome) -> Outcome:
    """Say what an error means that came up after the exchange had answered."""
    return Outcome.UNKNOWN if outcome is Outcome.NOT_SENT else outcome


def returned(request: Any, by: object, method: str) -> RESTRequest:
    if not isinstance(request, RESTRequest):
        raise ConfigurationError(
            f"{type(by).__name__}.{method} returned {type(request).__name__}; "
            "it must return the RESTRequest to send"
        )
    return request


def timed_out(request: RESTRequest, limit_s: float, flight: Flight) -> TransportError:
    error = rest_failure(TimeoutError(), request, flight)
    phase = "after it was written" if flight.written else "before anything was sent"
    error.args = (f"{error} after {limit_s:g} s, {phase}",)
    return error


async def rest_status_error(response: RESTResponse, sent: RESTRequest) -> HTTPStatusError:
    """Build the error of a 4xx or 5xx answer to `sent`, the signed request."""
    try:
        text = await response.text()
    except DecodeError:
        text = (response.body or b"").decode("ascii", "replace")
    parts = sent.wire_url
    return status_error(
        response.status,
        response.headers,
        method=str(sent.method),
        url=mask_url(f"{parts.scheme}://{parts.host}{sent.path_qs}"),
        body=text,
        private=sent.is_auth_required,
        secrets=request_secrets(sent),
    )
