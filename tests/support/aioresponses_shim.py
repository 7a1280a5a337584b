"""aioresponses 0.7.9 under aiohttp 3.14, for unit tests of managers.

aiohttp 3.14 made `stream_writer` a required argument of `ClientResponse`, which aioresponses does
not pass. Drop this module when tests/rest/test_aioresponses.py says that upstream is fixed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import ClientResponse
from aioresponses import aioresponses

__all__ = ["mocked_responses"]


class _WrittenResponse(ClientResponse):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("stream_writer", Mock(output_size=0))
        super().__init__(*args, **kwargs)


@pytest.fixture
def mocked_responses(monkeypatch: pytest.MonkeyPatch) -> Iterator[aioresponses]:
    """Answer every request of aiohttp from what the test registers; nothing leaves the process."""
    monkeypatch.setattr("aioresponses.core.ClientResponse", _WrittenResponse)
    with aioresponses() as mocked:
        yield mocked
