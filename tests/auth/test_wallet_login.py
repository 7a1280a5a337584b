"""What an exchange asks a wallet to sign may be anything; only a login is signed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from networkpype.auth.identity import Identity
from networkpype.auth.wallet_login import WalletLogin
from networkpype.credentials import Credentials
from networkpype.errors import AuthenticationError, ConfigurationError
from networkpype.time_synchronizer import TimeSynchronizer

LOGIN = WalletLogin(
    login_url="https://exchange.example/login",
    verify_url="https://exchange.example/verify",
    domain_name="Login",
)
IDENTITY = Identity(
    Credentials(private_key="0x" + "01" * 32, wallet="0x" + "ab" * 20), TimeSynchronizer()
)


class Exchange:
    """Answers each call with a message to sign, and counts the calls."""

    def __init__(self, message: Mapping[str, Any]) -> None:
        self.message = message
        self.calls = 0

    async def execute_request(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        return {"data": {"nonceHash": "0x01", "eip712Message": self.message}}


@pytest.mark.parametrize(
    "types",
    [
        {"Login": 5},
        {"Login": [1]},
        {"Login": [{"name": "hash"}]},
        {"Login": [{"name": "hash", "type": 5}]},
        {"Login": [{"name": ["hash"], "type": "string"}]},
        {"Login": [{"name": "hash", "type": "string" + "[]" * 3000}]},
    ],
)
async def test_malformed_types_are_a_refusal_and_not_signed(types: Any) -> None:
    message = {
        "types": types,
        "primaryType": "Login",
        "domain": {"name": "Login"},
        "message": {"hash": "0x01"},
    }
    exchange = Exchange(message)
    with pytest.raises(AuthenticationError, match="nothing was signed"):
        await LOGIN.run(exchange, IDENTITY)
    assert exchange.calls == 1


async def test_a_private_key_in_the_wallet_s_place_is_not_sent() -> None:
    private_key = "0x" + "01" * 32
    slip = Identity(Credentials(private_key=private_key, wallet=private_key), TimeSynchronizer())
    exchange = Exchange({})
    with pytest.raises(ConfigurationError, match="no address"):
        await LOGIN.run(exchange, slip)
    assert exchange.calls == 0
