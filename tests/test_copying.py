"""A copy shares nothing that can change, and loses nothing of what it was made from."""

from __future__ import annotations

import copy
from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from networkpype import ConfigurationError, RESTMethod, RESTRequest, WebSocketJSONRequest
from networkpype.copying import copy_object, copy_value

DECIMALS = st.decimals(allow_nan=False)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary() | DECIMALS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(), inner, max_size=3)
        | st.tuples(inner, inner)
    ),
    max_leaves=10,
)


@dataclass(repr=False)
class SlottedRequest(RESTRequest):
    __slots__ = ("late", "nonces")

    account: list[str] = field(default_factory=list)


@given(VALUES)
def test_a_copy_equals_the_original_in_value_and_types(value: Any) -> None:
    twin = copy_value(value)
    assert twin == value
    assert repr(twin) == repr(value)


def test_nothing_that_can_change_is_shared() -> None:
    value = {"list": [[1]], "dict": {"a": {"b": 2}}, "tuple": ([3],), "array": bytearray(b"4")}
    twin = copy_value(value)
    twin["list"][0].append(9)
    twin["dict"]["a"]["b"] = 9
    twin["tuple"][0].append(9)
    twin["array"].append(9)
    assert value == {
        "list": [[1]],
        "dict": {"a": {"b": 2}},
        "tuple": ([3],),
        "array": bytearray(b"4"),
    }


@pytest.mark.parametrize(
    "value",
    [OrderedDict(b=[1]), defaultdict(list, a=[1]), CIMultiDict([("A", "1"), ("a", "2")]), {1, 2}],
)
def test_other_containers_keep_their_class(value: Any) -> None:
    twin = copy_value(value)
    assert type(twin) is type(value)
    assert twin == value
    assert twin is not value


def test_read_only_views_become_what_they_show() -> None:
    assert copy_value(MappingProxyType({"a": [1]})) == {"a": [1]}
    headers = CIMultiDictProxy(CIMultiDict([("A", "1"), ("a", "2")]))
    assert copy_value({"h": headers})["h"].getall("a") == ["1", "2"]
    assert copy_value(memoryview(b"raw")) == b"raw"


def test_a_value_that_holds_itself_is_copied_once() -> None:
    circle: dict[str, Any] = {"list": []}
    circle["list"].append(circle)
    twin = copy_value(circle)
    assert twin["list"][0] is twin
    assert twin is not circle


def test_what_cannot_be_copied_says_so() -> None:
    with pytest.raises(ConfigurationError, match="a generator cannot be part of a request"):
        copy_value({"a": (each for each in "ab")})


@pytest.mark.parametrize("copier", [copy_object, copy.deepcopy])
def test_a_request_keeps_its_class_slots_and_what_was_hung_on_it(copier: Any) -> None:
    request: Any = SlottedRequest(
        RESTMethod.POST, "https://h/", params=[("a", [1])], data={"b": Decimal(1)}, account=["main"]
    )
    request.nonces = [1]
    request.extra = {"deep": [1]}
    twin: Any = copier(request)
    assert (type(twin), twin) == (SlottedRequest, request)
    assert (twin.nonces, twin.extra) == ([1], {"deep": [1]})
    assert not hasattr(twin, "late")
    for name in ("params", "data", "account", "nonces", "extra"):
        assert getattr(twin, name) is not getattr(request, name)
    twin.extra["deep"].append(2)
    assert request.extra == {"deep": [1]}


def test_a_shallow_copy_shares_and_is_still_another_object() -> None:
    for request in (RESTRequest(RESTMethod.GET, "https://h/", data=[1]), WebSocketJSONRequest([1])):
        twin = copy.copy(request)
        assert twin == request
        assert twin is not request


def test_a_websocket_request_is_copied_deeply() -> None:
    request = WebSocketJSONRequest({"args": [{"key": 1}]}, throttler_limit_id="ws")
    twin = copy.deepcopy(request)
    twin.payload["args"][0]["key"] = 2
    assert request.payload == {"args": [{"key": 1}]}


class WithPrivateSlot:
    __slots__ = ("__dict__", "__secret", "open")

    def __init__(self) -> None:
        self.open, self.__secret = ["a"], ["b"]

    def secret(self) -> list[str]:
        return self.__secret


def test_private_slots_are_copied_too() -> None:
    original = WithPrivateSlot()
    twin = copy_object(original)
    assert (twin.open, twin.secret()) == (["a"], ["b"])
    assert twin.secret() is not original.secret()
