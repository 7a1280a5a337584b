"""A private subscribe names the account by an address, and by nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from networkpype.auth.patterns.address import AddressSubscribe
from networkpype.auth.scheme_auth import SchemeAuth
from networkpype.credentials import Credentials
from networkpype.errors import ConfigurationError, MissingCredentialsError

WALLET = "0x" + "aB" * 20
PRIVATE_KEY = "0x" + "12" * 32


def pattern_of(wallet: str | None) -> Any:
    pattern = AddressSubscribe(place=("subscription", "user"))
    return SchemeAuth(Credentials(key="k", wallet=wallet), pattern=pattern).ws_pattern


def test_the_address_is_put_in() -> None:
    message = {"method": "subscribe", "subscription": {"type": "userFills"}}
    assert pattern_of(WALLET).sign_message(message) == {
        "method": "subscribe",
        "subscription": {"type": "userFills", "user": WALLET},
    }


def test_one_that_is_there_stays() -> None:
    message = {"subscription": {"type": "userFills", "user": "0xother"}}
    assert pattern_of(WALLET).sign_message(message) is message


@pytest.mark.parametrize("wallet", [PRIVATE_KEY, PRIVATE_KEY[2:], WALLET[2:], WALLET + "0", "me"])
def test_what_is_no_address_is_not_sent(wallet: str) -> None:
    with pytest.raises(ConfigurationError, match="40 hex digits behind 0x") as refused:
        pattern_of(wallet).sign_message({"subscription": {"type": "userFills"}})
    assert wallet not in str(refused.value)


def test_without_a_wallet_it_names_the_field() -> None:
    with pytest.raises(MissingCredentialsError, match=r"Credentials\(wallet=\.\.\.\)"):
        pattern_of(None).sign_message({"subscription": {"type": "userFills"}})
