"""An action in the body is signed by a wallet: by its hash, or field by field."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from networkpype import RESTRequest
from networkpype.auth.scheme_auth import SchemeAuth
from networkpype.auth.schemes.typed_action import action_hash
from networkpype.errors import ConfigurationError, MissingExtraError
from tests.support.logins import auth_of
from tests.support.vectors import load

KEY = "0x0123456789012345678901234567890123456789012345678901234567890123"
WALLET = "0x14791697260E4c9A71f18484C9f997B308e59325"
VAULT = "0x1719884eb866cb12b2287399b15f7db5e7d775ea"
MS = 1700000000123
URL = "https://api.hyperliquid.xyz/exchange"
TESTNET = "https://api.hyperliquid-testnet.xyz/exchange"
CANCEL = {"type": "cancel", "cancels": [{"a": 4, "o": 12345}]}

ORDER = {"a": 1, "b": True, "p": "100", "s": "100", "r": False, "t": {"limit": {"tif": "Gtc"}}}
DUMMY = {"type": "dummy", "num": 100000000000}


def order(**more: Any) -> dict[str, Any]:
    return {"type": "order", "orders": [ORDER | more], "grouping": "na"}


# Action, vault, then r, s and v of the live and of the test network, all with nonce 0, from
# https://github.com/hyperliquid-dex/hyperliquid-python-sdk tests/signing_test.py (read 2026-07).
SDK: list[tuple[dict[str, Any], str | None, str, str]] = [
    (
        DUMMY,
        None,
        "53749d5b30552aeb2fca34b530185976545bb22d0b3ce6f62e31be961a59298 "
        "755c40ba9bf05223521753995abb2f73ab3229be8ec921f350cb447e384d8ed8 27",
        "542af61ef1f429707e3c76c5293c80d01f74ef853e34b76efffcb57e574f9510 "
        "17b8b32f086e8cdede991f1e2c529f5dd5297cbe8128500e00cbaf766204a613 28",
    ),
    (
        order(),
        None,
        "d65369825a9df5d80099e513cce430311d7d26ddf477f5b3a33d2806b100d78e "
        "2b54116ff64054968aa237c20ca9ff68000f977c93289157748a3162b6ea940e 28",
        "82b2ba28e76b3d761093aaded1b1cdad4960b3af30212b343fb2e6cdfa4e3d54 "
        "6b53878fc99d26047f4d7e8c90eb98955a109f44209163f52d8dc4278cbbd9f5 27",
    ),
    (
        order(c="0x00000000000000000000000000000001"),
        None,
        "41ae18e8239a56cacbc5dad94d45d0b747e5da11ad564077fcac71277a946e3 "
        "3c61f667e747404fe7eea8f90ab0e76cc12ce60270438b2058324681a00116da 27",
        "eba0664bed2676fc4e5a743bf89e5c7501aa6d870bdb9446e122c9466c5cd16d "
        "7f3e74825c9114bc59086f1eebea2928c190fdfbfde144827cb02b85bbe90988 28",
    ),
    (
        DUMMY,
        VAULT,
        "3c548db75e479f8012acf3000ca3a6b05606bc2ec0c29c50c515066a326239 "
        "4d402be7396ce74fbba3795769cda45aec00dc3125a984f2a9f23177b190da2c 28",
        "e281d2fb5c6e25ca01601f878e4d69c965bb598b88fac58e475dd1f5e56c362b "
        "7ddad27e9a238d045c035bc606349d075d5c5cd00a6cd1da23ab5c39d4ef0f60 27",
    ),
    (
        order(t={"trigger": {"isMarket": True, "triggerPx": "103", "tpsl": "sl"}}),
        None,
        "98343f2b5ae8e26bb2587daad3863bc70d8792b09af1841b6fdd530a2065a3f9 "
        "6b5bb6bb0633b710aa22b721dd9dee6d083646a5f8e581a20b545be6c1feb405 27",
        "971c554d917c44e0e1b6cc45d8f9404f32172a9d3b3566262347d0302896a2e4 "
        "206257b104788f80450f8e786c329daa589aa0b32ba96948201ae556d5637eac 28",
    ),
    (
        {"type": "createSubAccount", "name": "example"},
        None,
        "51096fe3239421d16b671e192f574ae24ae14329099b6db28e479b86cdd6caa7 "
        "b71f7d293af92d3772572afb8b102d167a7cef7473388286bc01f52a5c5b423 27",
        "a699e3ed5c2b89628c746d3298b5dc1cca604694c2c855da8bb8250ec8014a5b "
        "53f1b8153a301c72ecc655b1c315d64e1dcea3ee58921fd7507e35818fcc1584 28",
    ),
    (
        {
            "type": "subAccountTransfer",
            "subAccountUser": "0x1d9470d4b963f552e6f671a81619d395877bf409",
            "isDeposit": True,
            "usd": 10,
        },
        None,
        "43592d7c6c7d816ece2e206f174be61249d651944932b13343f4d13f306ae602 "
        "71a926cb5c9a7c01c3359ec4c4c34c16ff8107d610994d4de0e6430e5cc0f4c9 28",
        "e26574013395ad55ee2f4e0575310f003c5bb3351b5425482e2969fa51543927 "
        "efb08999196366871f919fd0e138b3a7f30ee33e678df7cfaf203e25f0a4278 28",
    ),
    (
        {"type": "scheduleCancel"},
        None,
        "6cdfb286702f5917e76cd9b3b8bf678fcc49aec194c02a73e6d4f16891195df9 "
        "6557ac307fa05d25b8d61f21fb8a938e703b3d9bf575f6717ba21ec61261b2a0 27",
        "c75bb195c3f6a4e06b7d395acc20bbb224f6d23ccff7c6a26d327304e6efaeed "
        "342f8ede109a29f2c0723bd5efb9e9100e3bbb493f8fb5164ee3d385908233df 28",
    ),
    (
        {"type": "scheduleCancel", "time": 123456789},
        None,
        "609cb20c737945d070716dcc696ba030e9976fcf5edad87afa7d877493109d55 "
        "16c685d63b5c7a04512d73f183b3d7a00da5406ff1f8aad33f8ae2163bab758b 28",
        "4e4f2dbd4107c69783e251b7e1057d9f2b9d11cee213441ccfa2be63516dc5bc "
        "706c656b23428c8ba356d68db207e11139ede1670481a9e01ae2dfcdb0e1a678 27",
    ),
]


def hyperliquid(*, sandbox: bool = False) -> SchemeAuth:
    return auth_of("hyperliquid", private_key=KEY, wallet=WALLET, sandbox=sandbox, nonce=lambda: MS)


async def body_of(data: Any, *, url: str = URL, auth: SchemeAuth | None = None) -> dict[str, Any]:
    found = auth or hyperliquid(sandbox=url == TESTNET)
    request = await found.rest_authenticate(RESTRequest("POST", url, data=data))  # type: ignore[arg-type]
    body: dict[str, Any] = json.loads(request.body_bytes)
    return body


def numbers(signature: dict[str, Any]) -> tuple[int, int, int]:
    assert len(signature["r"]) == len(signature["s"]) == 66
    return int(signature["r"], 16), int(signature["s"], 16), signature["v"]


@pytest.mark.parametrize(("action", "vault", "live", "test"), SDK)
async def test_the_sdk_s_own_signatures(
    action: dict[str, Any], vault: str | None, live: str, test: str
) -> None:
    for url, published in ((URL, live), (TESTNET, test)):
        body = await body_of({"action": action, "vaultAddress": vault, "nonce": 0}, url=url)
        r, s, v = published.split()
        assert numbers(body["signature"]) == (int(r, 16), int(s, 16), int(v))
        assert body["nonce"] == 0
        assert body.get("vaultAddress") == vault


async def test_a_vault_s_address_may_lack_its_beginning() -> None:
    bare, whole = [
        await body_of({"action": CANCEL, "vaultAddress": vault}) for vault in (VAULT[2:], VAULT)
    ]
    assert bare["signature"] == whole["signature"]
    assert (bare["vaultAddress"], whole["vaultAddress"]) == (VAULT[2:], VAULT)


def test_the_hash_that_the_live_exchange_computed() -> None:
    case = next(each for each in load("rest")["published"] if each["exchange"] == "hyperliquid")
    found = action_hash(case["given"]["action"], case["given"]["nonce"])
    assert f"0x{found.hex()}" == case["expected_signature"]


async def test_the_action_alone_or_with_what_goes_beside_it() -> None:
    assert await body_of(CANCEL) == await body_of({"action": CANCEL})
    body = await body_of({"expiresAfter": MS + 1, "vaultAddress": VAULT, "action": CANCEL})
    assert list(body) == ["action", "nonce", "signature", "expiresAfter", "vaultAddress"]
    plain = await body_of(CANCEL)
    assert list(plain) == ["action", "nonce", "signature"]
    assert body["signature"] != plain["signature"]


async def test_an_action_may_name_a_vault_of_its_own() -> None:
    action = {"type": "vaultTransfer", "vaultAddress": VAULT, "isDeposit": True, "usd": 5000000}
    body = await body_of(action)
    assert body["action"] == action
    assert "vaultAddress" not in body


async def test_the_caller_s_action_is_not_changed() -> None:
    action = {"type": "usdClassTransfer", "amount": "1", "toPerp": True}
    await body_of(action)
    assert action == {"type": "usdClassTransfer", "amount": "1", "toPerp": True}


async def test_a_nonce_of_text_is_a_number_on_the_wire() -> None:
    body = await body_of({"action": CANCEL, "nonce": str(MS), "expiresAfter": str(MS)})
    assert (body["nonce"], body["expiresAfter"]) == (MS, MS)


WITHDRAW = {"type": "withdraw3", "destination": WALLET, "amount": "1"}
USER_ACTIONS: list[tuple[dict[str, Any], str]] = [
    ({"type": "usdSend", "destination": WALLET, "amount": "1"}, "time"),
    ({"type": "spotSend", "destination": WALLET, "token": "PURR:0x1", "amount": "1"}, "time"),
    (WITHDRAW, "time"),
    ({"type": "usdClassTransfer", "amount": "1 subaccount:0x1", "toPerp": True}, "nonce"),
    (
        {
            "type": "sendAsset",
            "destination": WALLET,
            "sourceDex": "",
            "destinationDex": "test",
            "token": "PURR:0x1",
            "amount": "1",
            "fromSubAccount": "",
        },
        "nonce",
    ),
    (
        {
            "type": "sendToEvmWithData",
            "token": "USDC",
            "amount": "1",
            "sourceDex": "",
            "destinationRecipient": WALLET,
            "addressEncoding": "hex",
            "destinationChainId": 42161,
            "gasLimit": 200000,
            "data": "0x0102",
        },
        "nonce",
    ),
    ({"type": "cDeposit", "wei": 1}, "nonce"),
    ({"type": "cWithdraw", "wei": 1}, "nonce"),
    ({"type": "tokenDelegate", "validator": WALLET, "wei": 1, "isUndelegate": False}, "nonce"),
    ({"type": "approveAgent", "agentAddress": WALLET, "agentName": "bot"}, "nonce"),
    ({"type": "approveBuilderFee", "maxFeeRate": "0.001%", "builder": WALLET}, "nonce"),
    ({"type": "convertToMultiSigUser", "signers": "{}"}, "nonce"),
    ({"type": "userDexAbstraction", "user": WALLET, "enabled": True}, "nonce"),
    ({"type": "userSetAbstraction", "user": WALLET, "abstraction": "disabled"}, "nonce"),
]


def recovered(body: dict[str, Any], scheme: Any, chain_id: int) -> str:
    """Return who signed, as another implementation finds it."""
    action = body["action"]
    primary, fields = scheme.user_actions[action["type"]]
    message = {name: action.get(name, "") for name, _ in fields}
    full = encode_typed_data(
        {
            "name": "HyperliquidSignTransaction",
            "version": "1",
            "chainId": chain_id,
            "verifyingContract": "0x" + "0" * 40,
        },
        {primary: [{"name": name, "type": kind} for name, kind in fields]},
        message,
    )
    return str(
        Account.recover_message(full, vrs=[numbers(body["signature"])[n] for n in (2, 0, 1)])
    )


@pytest.mark.parametrize(("action", "counter"), USER_ACTIONS, ids=lambda each: str(each)[:30])
async def test_a_user_s_action_is_completed_and_signed_field_by_field(
    action: dict[str, Any], counter: str
) -> None:
    for url, chain in ((URL, "Mainnet"), (TESTNET, "Testnet")):
        auth = hyperliquid(sandbox=url == TESTNET)
        body = await body_of(action, url=url, auth=auth)
        assert body["action"] == {
            "hyperliquidChain": chain,
            "signatureChainId": "0x66eee",
            **action,
            counter: MS,
        }
        assert body["nonce"] == MS
        assert recovered(body, auth.scheme, 0x66EEE) == WALLET


def test_every_user_action_is_tried_here() -> None:
    scheme: Any = hyperliquid().scheme
    assert set(scheme.user_actions) == {action["type"] for action, _ in USER_ACTIONS}


async def test_a_whole_user_action_stays_as_it_is() -> None:
    whole = {"type": "usdSend", "hyperliquidChain": "Mainnet", "signatureChainId": "0xa4b1"}
    whole |= {"destination": WALLET, "amount": "1", "time": 1}  # type: ignore[dict-item]
    auth = hyperliquid()
    body = await body_of({"action": whole}, auth=auth)
    assert body["action"] == whole
    assert body["nonce"] == 1
    assert recovered(body, auth.scheme, 0xA4B1) == WALLET


async def test_an_agent_without_a_name_is_signed_with_an_empty_one() -> None:
    auth = hyperliquid()
    body = await body_of({"type": "approveAgent", "agentAddress": WALLET}, auth=auth)
    assert "agentName" not in body["action"]
    assert recovered(body, auth.scheme, 0x66EEE) == WALLET


async def test_letters_beyond_ascii_are_hashed_and_sent_as_they_are() -> None:
    auth = hyperliquid()
    action = {"type": "createSubAccount", "name": "é中€"}
    request = await auth.rest_authenticate(RESTRequest("POST", URL, data=action))  # type: ignore[arg-type]
    assert '"name":"é中€"'.encode() in request.body_bytes
    assert request.headers == {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (None, "the body is missing; pass data="),
        ("{}", "the body is a str"),
        ({}, 'the action has no "type"'),
        ({"action": {}}, 'the action has no "type"'),
        ({"action": {"type": 1}}, 'the action has no "type"'),
        ({"action": CANCEL, "vault": VAULT}, "there is vault; known: nonce, vaultAddress"),
        ({"action": CANCEL, "vaultAddress": "0x12"}, "vaultAddress is no address"),
        ({"action": CANCEL, "vaultAddress": 5}, "vaultAddress is no address"),
        ({"action": CANCEL, "nonce": 1.5}, "nonce is a float; pass whole milliseconds"),
        ({"action": CANCEL, "nonce": True}, "nonce is True"),
        ({"action": CANCEL, "nonce": -1}, "nonce is -1"),
        ({"action": CANCEL, "nonce": 1 << 64}, "nonce is 18446744073709551616"),
        ({"action": CANCEL, "expiresAfter": "soon"}, "expiresAfter is a str"),
        ({"type": "order", "orders": [{"p": object()}]}, "cannot be packed .TypeError"),
        ({"type": "order", "n": 1 << 65}, "cannot be packed .OverflowError"),
        ({"type": "multiSig"}, "several signers is not signed here"),
        ({"action": WITHDRAW, "vaultAddress": VAULT}, "signed by the user and has no vaultAddress"),
        ({"action": WITHDRAW, "expiresAfter": MS}, "signed by the user and has no expiresAfter"),
        ({**WITHDRAW, "hyperliquidChain": "Testnet"}, 'is for "Testnet", and this is Mainnet'),
        ({**WITHDRAW, "signatureChainId": "66eee"}, '"signatureChainId" is no hex number'),
        ({"action": {**WITHDRAW, "time": 1}, "nonce": 2}, "the nonce beside it differ"),
        ({"type": "withdraw3", "amount": "1"}, 'lacks "destination"'),
        ({**WITHDRAW, "amount": 1}, '"amount" is a int; pass a str'),
    ],
)
async def test_what_cannot_be_signed_is_an_error(data: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        await body_of(data)


@pytest.mark.parametrize(
    ("method", "url"),
    [("POST", "https://api.hyperliquid.xyz/info"), ("GET", URL), ("PUT", URL)],
)
async def test_all_else_is_public(method: str, url: str) -> None:
    with pytest.raises(ConfigurationError, match="takes no signature, only POST /exchange does"):
        await hyperliquid().rest_authenticate(RESTRequest(method, url, data=CANCEL))  # type: ignore[arg-type]


async def test_a_query_is_refused_rather_than_dropped() -> None:
    with pytest.raises(ConfigurationError, match="takes no query; pass the action as data"):
        await hyperliquid().rest_authenticate(
            RESTRequest("POST", URL, params={"a": 1}, data=CANCEL)  # type: ignore[arg-type]
        )


async def test_a_missing_package_names_the_pip_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msgpack", None)
    with pytest.raises(MissingExtraError, match=r'needs msgpack.*pip install "networkpype\[evm\]"'):
        await body_of(CANCEL)
