"""From a call's arguments to a request that shares nothing with the caller."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from networkpype.copying import ATOMS, copy_value
from networkpype.errors import ConfigurationError
from networkpype.redact import mask_url
from networkpype.rest.method import RESTMethod
from networkpype.rest.request import FORM_TYPE, JSON_TYPE, RESTRequest, header_value
from networkpype.wire import Params, split_url

__all__ = ["build_request", "check_base_url", "check_timeout", "default_content_type", "join_url"]


def build_request(
    url: str | None,
    throttler_limit_id: str,
    params: Params | None,
    data: Any,
    method: RESTMethod,
    is_auth_required: bool,
    headers: Mapping[str, str] | None,
    endpoint_url: str | None,
) -> RESTRequest:
    """Build a request that shares nothing with the caller's arguments that could change."""
    if url is not None and endpoint_url is not None:
        raise ConfigurationError("url and endpoint_url are both given; pass one of them")
    request = RESTRequest(
        method,
        url,
        endpoint_url,
        _params(params),
        _data(data),
        _headers(headers),
        is_auth_required,
        throttler_limit_id,
    )
    given = header_value(request.headers, "content-type")
    if given is None and (label := default_content_type(request)):
        # The caller's own headers follow, in their order.
        request.headers = {"Content-Type": label, **(request.headers or {})}
    return request


def default_content_type(request: RESTRequest) -> str:
    """JSON for POST, PUT and every structured or non-GET body, form for a GET, else nothing."""
    method, data = request.method, request.data
    if method is RESTMethod.GET:
        return FORM_TYPE if data is None or isinstance(data, (str, bytes)) else JSON_TYPE
    if method is RESTMethod.POST or method is RESTMethod.PUT:
        return JSON_TYPE
    return "" if data is None else JSON_TYPE


def _params(params: Params | None) -> Params | None:
    if isinstance(params, dict):
        return {
            name: value if type(value) in ATOMS else copy_value(value)
            for name, value in params.items()
            if value is not None
        }
    if params is None or isinstance(params, str):
        return params
    # A multi-dict may hold a name twice, so anything else becomes pairs.
    pairs = params.items() if isinstance(params, Mapping) else params
    try:
        return [(name, copy_value(value)) for name, value in pairs if value is not None]
    except ConfigurationError:
        raise
    except (TypeError, ValueError):
        return params  # the encoder says what is wrong with it


def _headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    if headers is None:
        return {}
    try:
        copy = dict(headers)
    except (TypeError, ValueError):
        raise ConfigurationError(
            f"headers are a {type(headers).__name__}; pass a mapping of str to str"
        ) from None
    if isinstance(headers, Mapping) and len(copy) != len(headers):
        raise ConfigurationError("headers hold a name twice; keep one of them")
    return copy


def _data(data: Any) -> Any:
    if data is None:
        return None
    if isinstance(data, Mapping):
        return {name: copy_value(value) for name, value in data.items() if value is not None}
    return copy_value(data)


def check_base_url(base_url: str | None) -> str | None:
    if base_url is None:
        return None
    if not isinstance(base_url, str):
        raise ConfigurationError(f"base_url is a {type(base_url).__name__}; pass it as str")
    split_url(base_url)
    if "?" in base_url or "#" in base_url:
        raise ConfigurationError(
            f'base_url "{mask_url(base_url)}" has a query or fragment; '
            "put what belongs to a request into its params"
        )
    return base_url.rstrip("/")


def join_url(base_url: str | None, endpoint_url: str | None) -> str:
    """Put the endpoint behind the base; an endpoint can never change the host."""
    if endpoint_url is None:
        raise ConfigurationError("the request has neither url nor endpoint_url; pass one of them")
    if not isinstance(endpoint_url, str):
        raise ConfigurationError(f"endpoint_url is a {type(endpoint_url).__name__}; pass it as str")
    if base_url is None:
        raise ConfigurationError(
            f"endpoint_url {mask_url(endpoint_url)!r} needs a base: "
            "pass base_url= to ConnectionManagersFactory, or the whole url="
        )
    if "://" in endpoint_url.partition("?")[0] or endpoint_url.startswith(("//", "\\", "/\\")):
        raise ConfigurationError(
            f"endpoint_url {mask_url(endpoint_url)!r} names a host; pass a path such as /v1/time"
        )
    return f"{base_url}/{endpoint_url.removeprefix('/')}"


def check_timeout(timeout: float) -> float:
    number = type(timeout) is float or type(timeout) is int or _is_number(timeout)
    if not number or not 0 < timeout < math.inf:
        raise ConfigurationError(f"timeout is {timeout!r}; pass seconds above zero")
    return timeout


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
