"""A signer whose clock stands still, and requests for it to sign."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from networkpype import RESTMethod, RESTRequest
from networkpype.auth.identity import Identity
from networkpype.auth.schemes.draft import Draft
from networkpype.credentials import Credentials
from tests.support.vectors import Clock

__all__ = ["a_draft", "a_request", "an_identity"]


def an_identity(
    *,
    ms: int = 1700000000123,
    nonce: Callable[[], int | str] | None = None,
    new_id: Callable[[], int | str] | None = None,
    **fields: str,
) -> Identity:
    own = {"key": "a-key", "secret": "a-secret", "passphrase": "a-phrase", "memo": "a-memo"}
    return Identity(Credentials(**(own | fields)), Clock(ms), nonce=nonce, new_id=new_id)


def a_request(method: str = "GET", url: str = "https://host.test/v1/x", **more: Any) -> RESTRequest:
    return RESTRequest(RESTMethod(method), url, **more)


def a_draft(method: str = "GET", url: str = "https://host.test/v1/x", **more: Any) -> Draft:
    return Draft(a_request(method, url, **more), an_identity())
