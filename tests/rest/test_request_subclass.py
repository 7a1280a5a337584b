"""A request class of the user's own."""

from __future__ import annotations

import copy

from networkpype import RESTMethod, RESTRequest


class OwnInit(RESTRequest):
    """As a connector of 1.1.5 may have it: an `__init__` that sets what it knows."""

    throttler_limit_id = "mine"

    def __init__(self, path: str) -> None:
        self.method = RESTMethod.GET
        self.url = f"https://host.test{path}"


def test_a_subclass_with_an_init_of_its_own_leaves_the_rest_to_the_defaults() -> None:
    request = OwnInit("/x")
    assert (request.params, request.data, request.headers) == (None, None, None)
    assert (request.is_auth_required, request.throttler_limit_id) == (False, "mine")
    assert copy.deepcopy(request).path_qs == "/x"
