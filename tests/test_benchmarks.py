"""The benchmark of signatures compares like with like, and leaves no family out."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from unittest.mock import patch

import pytest

from benchmarks import bench_signing
from benchmarks.bench_signing import CALLS, Call, Clock, check_same
from networkpype import RESTMethod, RESTRequest
from networkpype.auth import schemes
from networkpype.auth.schemes.base import RESTScheme
from networkpype.auth.schemes.query import KeyOnly
from networkpype.exchanges import exchange


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.name} {call.method}")
def test_a_signature_by_hand_makes_the_same_bytes(call: Call) -> None:
    check_same(call)


def test_two_sides_that_differ_are_not_measured() -> None:
    call = next(call for call in CALLS if call.name == "okx")
    with (
        patch.dict(bench_signing.BY_HAND, {"okx": bench_signing.BY_HAND["bybit"]}),
        pytest.raises(AssertionError, match="the two sides differ"),
    ):
        check_same(call)


def test_every_family_is_measured() -> None:
    families = {
        each
        for module in pkgutil.iter_modules(schemes.__path__)
        for _, each in inspect.getmembers(
            importlib.import_module(f"{schemes.__name__}.{module.name}"), inspect.isclass
        )
        if issubclass(each, RESTScheme)
        and not inspect.isabstract(each)
        and each.__module__.startswith(schemes.__name__)
    }
    measured = set[type]()
    for call in CALLS:
        auth = call.auth(Clock(1.7e9))
        assert auth.scheme is not None
        url = exchange(call.case.exchange or call.name).rest_url + call.path
        chosen = auth.scheme.chosen(RESTRequest(RESTMethod(call.method), url), auth.identity)
        measured.update(type(auth.scheme).__mro__, type(chosen).__mro__)
    assert families - measured == {KeyOnly}  # which signs nothing
