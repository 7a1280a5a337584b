"""A login goes to the exchange's own hosts, and to no other unless the user names it."""

from __future__ import annotations

import pytest

from networkpype import ConfigurationError
from networkpype.exchanges import exchange, exchange_auth, names
from networkpype.wire import split_url
from tests.support.canary import credentials_for

NUMBERS = {name: number for number, name in enumerate(names())}


@pytest.mark.parametrize("name", names())
def test_sockets_are_held_to_the_exchanges_domains(name: str) -> None:
    auth = exchange_auth(name, credentials_for(name, NUMBERS[name]))
    own = exchange(name)
    if own.pattern is not None and own.pattern.url:
        auth.check_socket(own.pattern.url.partition("{")[0])
    for domain in own.domains:
        auth.check_socket(f"wss://{domain}/ws")
        auth.check_socket(f"wss://new-host.{domain}:8443/ws")
        for other in (
            f"wss://{domain}.example.net/ws",
            f"wss://not{domain}/ws",
            f"wss://example.net/{domain}",
            "wss://127.0.0.1:8443/ws",
            "ws://localhost/ws",
        ):
            host = split_url(other).host
            with pytest.raises(ConfigurationError, match=host) as refused:
                auth.check_socket(other)
            assert "Credentials(origins=[" in str(refused.value)


def test_who_names_origins_decides_alone() -> None:
    mine = credentials_for("okx", 1).model_copy(update={"origins": ("https://proxy.example.com",)})
    auth = exchange_auth("okx", mine)
    auth.check_socket("wss://proxy.example.com/ws")
    with pytest.raises(ConfigurationError, match=r"ws\.okx\.com"):
        auth.check_socket("wss://ws.okx.com/ws")


def test_an_exchange_that_was_moved_is_where_it_was_moved_to() -> None:
    moved = exchange("okx").at("http://127.0.0.1:8080", "ws://127.0.0.1:8081")
    assert moved.domains == {"127.0.0.1"}


@pytest.mark.parametrize("name", names())
def test_no_domain_is_one_under_which_anybody_registers(name: str) -> None:
    for domain in exchange(name).domains:
        assert domain.count(".") >= 1
        assert domain not in ("com.hk", "co.uk", "com.cn")
