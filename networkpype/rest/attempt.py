"""One attempt: prepared, signed, sent once, read to its end, processed, and told of."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from networkpype.deadline import Deadline, Deadlines
from networkpype.errors import AuthenticationFailure as Failure
from networkpype.errors import (
    ConfigurationError,
    DecodeError,
    HTTPAuthenticationError,
    HTTPStatusError,
    MissingCredentialsError,
    NetworkpypeError,
    Outcome,
    RedirectRefusedError,
    TransportError,
)
from networkpype.hooks import Hook, RequestFinished, emit
from networkpype.redact import mask_url
from networkpype.rest.build import join_url
from networkpype.rest.connection import RESTConnection, check_options, request_secrets, rest_failure
from networkpype.rest.request import RESTRequest
from networkpype.rest.response import RESTResponse
from networkpype.status import status_error, status_kind, status_outcome
from networkpype.throttler.context import give_back
from networkpype.throttler.learning import Answer
from networkpype.transport import Flight

if TYPE_CHECKING:
    from networkpype.auth.base import Auth
    from networkpype.circuit import CircuitBreaker, Trial
    from networkpype.rest.processor.base import RESTPostProcessor, RESTPreProcessor
    from networkpype.throttler.context import InFlightContext

__all__ = ["Sender", "rest_status_error"]

_log = logging.getLogger(__name__)


class Sender:
    """Send a request once, with everything that belongs to one attempt but its capacity."""

    def __init__(
        self,
        connection: RESTConnection,
        pre_processors: Sequence[RESTPreProcessor],
        post_processors: Sequence[RESTPostProcessor],
        auth: Auth | None,
        base_url: str | None,
        hook: Hook | None,
        breaker: CircuitBreaker | None,
    ) -> None:
        self._connection = connection
        self._pre_processors = pre_processors
        self._post_processors = post_processors
        self._auth = auth
        self._base_url = base_url
        self._hook = hook
        self._breaker = breaker
        self._deadlines = Deadlines()
        # One of the user's own need not tell when it writes.
        self._tells = getattr(type(connection), "call", None) is RESTConnection.call

    def refuse_early(self, request: RESTRequest, options: dict[str, Any]) -> None:
        """Raise what can be known to be wrong before capacity is waited and paid for."""
        check_options(options)
        if request.is_auth_required:
            self._auth_for(request)
        if request.url is not None:
            _ = request.wire_url  # raises for what is no URL
        elif not self._pre_processors:  # one of them may set the url
            join_url(self._base_url, request.endpoint_url)

    def check_circuit(self, request: RESTRequest, in_s: float = 0.0) -> None:
        """Raise CircuitOpenError where the request's host will be left alone in `in_s` seconds."""
        if self._breaker is None:
            return
        if request.url is not None:
            host = request.wire_url.host
        elif self._base_url is not None:
            host = RESTRequest(request.method, self._base_url).wire_url.host
        else:
            return  # a pre-processor will say; `send` asks again
        self._breaker.check(host, asyncio.get_running_loop().time() + in_s)

    def address(self, request: RESTRequest) -> str:
        """Return where the request goes, unless a pre-processor says otherwise."""
        if request.url is not None or self._base_url is None:
            return request.url or request.endpoint_url or ""
        return f"{self._base_url}/{(request.endpoint_url or '').removeprefix('/')}"

    async def send(
        self,
        request: RESTRequest,
        limit_s: float,
        options: dict[str, Any],
        slot: InFlightContext | None = None,
    ) -> tuple[RESTResponse, RESTRequest]:
        """Send a request that is ours to change; return the response and what was sent."""
        flight = Flight()
        started = time.monotonic()
        response: RESTResponse | None = None
        failure: BaseException | None = None
        trial: Trial | None = None
        was_called = False
        scope = Deadline(self._deadlines, limit_s)
        try:
            with scope:
                request = await self._prepare(request)
                if self._breaker is not None:
                    now = asyncio.get_running_loop().time()
                    trial = self._breaker.admit(request.wire_url.host, now)
                if slot is not None:
                    await slot.depart()
                was_called = True
                response = await self._connection.call(request, flight=flight, **options)
                if slot is not None:  # what processes the answer may need the same limit
                    slot.land(Answer(response.status, response.headers, response.body or b""))
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
            if was_called and self._tells and not flight.written and response is None:
                give_back(slot)  # nothing reached the exchange, which counts requests
            if trial is not None and self._breaker is not None:
                # What ended it before that, such as a wait for capacity, was not the host.
                conclude(self._breaker, trial, response, failure if was_called else None)
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
        kind: type[BaseException] | None = None
        outcome = None
        if failure is not None:
            kind = type(failure)
            lost = Outcome.UNKNOWN if flight.written else Outcome.NOT_SENT
            outcome = failure.outcome if isinstance(failure, NetworkpypeError) else lost
        elif response is not None and response.status >= 400:
            private = request.is_auth_required
            kind = status_kind(response.status, response.headers, private=private)
            outcome = status_outcome(response.status)
        event = RequestFinished(
            method=str(request.method),
            url=mask_url(request.url or request.endpoint_url or ""),
            status=None if response is None else response.status,
            elapsed_s=time.monotonic() - started,
            error=None if kind is None else kind.__name__,
            outcome=outcome,
        )
        _log.debug("%s", event)
        emit(self._hook, event)


def conclude(
    breaker: CircuitBreaker,
    trial: Trial,
    response: RESTResponse | None,
    failure: BaseException | None,
) -> None:
    """Tell the circuit breaker what the attempt says about the host."""
    now = asyncio.get_running_loop().time()
    if response is not None:
        well = response.status < 500
    elif isinstance(failure, (RedirectRefusedError, DecodeError)):
        well = True
    elif isinstance(failure, TransportError):
        well = False
    else:  # cancelled, or never sent
        return breaker.abandon(trial, now)
    return breaker.succeed(trial) if well else breaker.fail(trial, now)


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


async def rest_status_error(
    response: RESTResponse, sent: RESTRequest, *, late: bool = False
) -> HTTPStatusError:
    """Build the error of a 4xx or 5xx answer to `sent`, the signed request.

    `late` says that it refuses the timestamp; so may an answer with status 200.
    """
    try:
        text = await response.text()
    except DecodeError:
        text = (response.body or b"").decode("ascii", "replace")
    parts = sent.wire_url
    error = status_error(
        response.status,
        response.headers,
        method=str(sent.method),
        url=mask_url(f"{parts.scheme}://{parts.host}{sent.path_qs}"),
        body=text,
        private=sent.is_auth_required,
        secrets=request_secrets(sent),
    )
    return _timestamp_error(error) if late and response.status < 500 else error


def _timestamp_error(error: HTTPStatusError) -> HTTPAuthenticationError:
    refused = HTTPAuthenticationError(
        str(error),
        status=error.status,
        headers=error.headers,
        body=error.body,
        method=error.method,
        url=error.url,
        outcome=Outcome.REJECTED,
    )
    refused.reason = Failure.TIMESTAMP
    return refused
