"""One exchange with several schemes: what the path begins or ends with chooses."""

from __future__ import annotations

from typing import cast

import pytest

from networkpype import Credentials, RESTRequest, TimeSynchronizer
from networkpype.auth.identity import Identity
from networkpype.auth.scheme_auth import SchemeAuth
from networkpype.auth.schemes.by_path import ByPath
from networkpype.auth.schemes.draft import Draft
from networkpype.auth.schemes.headers import HeaderSignature
from tests.support.vectors import Clock


def named(name: str) -> HeaderSignature:
    return HeaderSignature(message=name, headers={"X-Scheme": name, "X-Sign": "{signature}"})


SCHEME = ByPath(
    default=named("default"),
    prefixes={"/v1/": named("v1"), "/v1/late/": named("late")},
    endings={"stream": named("stream")},
)
CREDENTIALS = Credentials(key="k", secret="test_api_secret")
CLOCK = cast("TimeSynchronizer", Clock(1700000000123))


@pytest.mark.parametrize(
    ("path", "scheme"),
    [
        ("/v1/order", "v1"),
        ("/v1/late/order", "v1"),
        ("/v2/order", "default"),
        ("/v2/stream", "stream"),
        ("/v2/streams", "default"),
        ("/v2/stream/all", "default"),
        ("/v10/order", "default"),
        ("/v2/v1/order", "default"),
        ("/", "default"),
    ],
)
async def test_the_path_chooses_the_scheme(path: str, scheme: str) -> None:
    auth = SchemeAuth(CREDENTIALS, SCHEME, time_provider=CLOCK)
    request = RESTRequest("GET", f"https://a.example{path}?x=/v1/stream")  # type: ignore[arg-type]
    signed = await auth.rest_authenticate(request)
    assert signed.headers is not None
    assert signed.headers["X-Scheme"] == scheme


async def test_the_steps_are_those_of_the_chosen_scheme() -> None:
    identity = Identity(CREDENTIALS, CLOCK)
    request = RESTRequest("GET", "https://a.example/v1/order")  # type: ignore[arg-type]
    taken = [(name, draft.headers) for name, draft in SCHEME.steps(request, identity)]
    assert [name for name, _ in taken] == ["canonical", "string to sign", "signature", "placing"]
    assert taken[-1][1]["X-Scheme"] == "v1"

    draft = Draft(RESTRequest("GET", "https://a.example/v2/stream"), identity)  # type: ignore[arg-type]
    SCHEME.canonical(draft)
    draft.string_to_sign = SCHEME.string_to_sign(draft)
    draft.signature = SCHEME.signature(draft)
    SCHEME.place(draft)
    assert draft.string_to_sign == draft.headers["X-Scheme"] == "stream"
