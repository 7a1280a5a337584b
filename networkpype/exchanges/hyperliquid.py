"""Hyperliquid: actions signed by a wallet (extra ``evm``); WebSockets know a user by the address.

Sources (read 2026-07):
https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/exchange-endpoint,
https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/signing,
https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions,
https://github.com/hyperliquid-dex/hyperliquid-python-sdk (hyperliquid/utils/signing.py).
"""

from __future__ import annotations

from networkpype.auth.patterns.address import AddressSubscribe
from networkpype.auth.schemes.typed_action import TypedAction
from networkpype.exchanges.exchange import Exchange
from networkpype.signing.typed_data import Fields

__all__ = ["HYPERLIQUID"]


def _user_signed(name: str, *fields: tuple[str, str]) -> tuple[str, Fields]:
    return f"HyperliquidTransaction:{name}", (("hyperliquidChain", "string"), *fields)


_NONCE = ("nonce", "uint64")
_TIME = ("time", "uint64")

# What the user signs field by field; every other action is signed by its hash. The nonce is last.
USER_ACTIONS: dict[str, tuple[str, Fields]] = {
    "usdSend": _user_signed("UsdSend", ("destination", "string"), ("amount", "string"), _TIME),
    "spotSend": _user_signed(
        "SpotSend", ("destination", "string"), ("token", "string"), ("amount", "string"), _TIME
    ),
    "withdraw3": _user_signed("Withdraw", ("destination", "string"), ("amount", "string"), _TIME),
    "usdClassTransfer": _user_signed(
        "UsdClassTransfer", ("amount", "string"), ("toPerp", "bool"), _NONCE
    ),
    "sendAsset": _user_signed(
        "SendAsset",
        ("destination", "string"),
        ("sourceDex", "string"),
        ("destinationDex", "string"),
        ("token", "string"),
        ("amount", "string"),
        ("fromSubAccount", "string"),
        _NONCE,
    ),
    "sendToEvmWithData": _user_signed(
        "SendToEvmWithData",
        ("token", "string"),
        ("amount", "string"),
        ("sourceDex", "string"),
        ("destinationRecipient", "string"),
        ("addressEncoding", "string"),
        ("destinationChainId", "uint32"),
        ("gasLimit", "uint64"),
        ("data", "bytes"),
        _NONCE,
    ),
    "cDeposit": _user_signed("CDeposit", ("wei", "uint64"), _NONCE),
    "cWithdraw": _user_signed("CWithdraw", ("wei", "uint64"), _NONCE),
    "tokenDelegate": _user_signed(
        "TokenDelegate",
        ("validator", "address"),
        ("wei", "uint64"),
        ("isUndelegate", "bool"),
        _NONCE,
    ),
    "approveAgent": _user_signed(
        "ApproveAgent", ("agentAddress", "address"), ("agentName", "string"), _NONCE
    ),
    "approveBuilderFee": _user_signed(
        "ApproveBuilderFee", ("maxFeeRate", "string"), ("builder", "address"), _NONCE
    ),
    "convertToMultiSigUser": _user_signed("ConvertToMultiSigUser", ("signers", "string"), _NONCE),
    "userDexAbstraction": _user_signed(
        "UserDexAbstraction", ("user", "address"), ("enabled", "bool"), _NONCE
    ),
    "userSetAbstraction": _user_signed(
        "UserSetAbstraction", ("user", "address"), ("abstraction", "string"), _NONCE
    ),
}

HYPERLIQUID = Exchange(
    name="hyperliquid",
    rest_url="https://api.hyperliquid.xyz",
    needs=("private_key",),
    scheme=TypedAction(user_actions=USER_ACTIONS),
    pattern=AddressSubscribe(url="wss://api.hyperliquid.xyz/ws", place=("subscription", "user")),
    sandbox=Exchange(
        name="hyperliquid",
        rest_url="https://api.hyperliquid-testnet.xyz",
        needs=("private_key",),
        scheme=TypedAction(user_actions=USER_ACTIONS, source="b", chain="Testnet"),
        pattern=AddressSubscribe(
            url="wss://api.hyperliquid-testnet.xyz/ws", place=("subscription", "user")
        ),
    ),
    sources=("https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/signing",),
)
