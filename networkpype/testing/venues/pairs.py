"""The families whose exchange holds a public key, or a wallet's address, and no secret."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, quote

from networkpype.testing.venues.account import Account, Refusal, Why, b64
from networkpype.testing.venues.headers import text_of
from networkpype.testing.wire import ReceivedRequest

__all__ = [
    "check_backpack",
    "check_coinbase",
    "check_ed25519",
    "check_hyperliquid",
    "check_jwt",
    "check_pem",
    "domain_hash",
    "recovered",
    "typed_hash",
]

# docs.backpack.exchange, each endpoint's "Instruction" (read 2026-07).
_INSTRUCTIONS = {
    ("GET", "/api/v1/account"): "accountQuery",
    ("PATCH", "/api/v1/account"): "accountUpdate",
    ("GET", "/api/v1/capital"): "balanceQuery",
    ("GET", "/api/v1/capital/collateral"): "collateralQuery",
    ("GET", "/api/v1/position"): "positionQuery",
    ("GET", "/api/v1/borrowLend/positions"): "borrowLendPositionQuery",
    ("POST", "/api/v1/borrowLend"): "borrowLendExecute",
    ("GET", "/api/v1/order"): "orderQuery",
    ("POST", "/api/v1/order"): "orderExecute",
    ("DELETE", "/api/v1/order"): "orderCancel",
    ("GET", "/api/v1/orders"): "orderQueryAll",
    ("POST", "/api/v1/orders"): "orderExecute",
    ("DELETE", "/api/v1/orders"): "orderCancelAll",
    ("GET", "/wapi/v1/capital/deposits"): "depositQueryAll",
    ("GET", "/wapi/v1/capital/deposit/address"): "depositAddressQuery",
    ("GET", "/wapi/v1/capital/withdrawals"): "withdrawalQueryAll",
    ("POST", "/wapi/v1/capital/withdrawals"): "withdraw",
    ("GET", "/wapi/v1/history/fills"): "fillHistoryQueryAll",
    ("GET", "/wapi/v1/history/orders"): "orderHistoryQueryAll",
}


def check_backpack(request: ReceivedRequest, account: Account) -> None:
    """Check X-Signature over the instruction, the arguments by name, timestamp and window."""
    headers = request.headers
    account.check_key(headers.get("X-API-Key"))
    stamp, window = headers.get("X-Timestamp", ""), headers.get("X-Window", "5000")
    account.check_time(stamp, float(window), 1000)
    instruction = _INSTRUCTIONS.get((request.method, request.path))
    if instruction is None:
        raise Refusal(Why.MISSING, f"no instruction for {request.method} {request.path}")
    if request.body:
        arguments = json.loads(text_of(request))
    else:
        arguments = dict(parse_qsl(request.raw_query, keep_blank_values=True))
    many = arguments if isinstance(arguments, list) else [arguments]
    end = f"&timestamp={stamp}&window={window}"
    plain, encoded = (
        "&".join(_pairs(instruction, each, write) for each in many) + end
        for write in (str, _quoted)
    )
    # The page has arguments "in query string format", the official client
    # (github.com/backpack-exchange/bpx-api-client) signs them without percent-encoding.
    try:
        check_ed25519(account.key, headers.get("X-Signature"), plain)
    except Refusal:
        check_ed25519(account.key, headers.get("X-Signature"), encoded)


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _pairs(instruction: str, arguments: dict[str, Any], write: Callable[[str], str]) -> str:
    written = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in sorted(arguments.items())
        if value is not None
    }
    pairs = [f"{name}={write(value)}" for name, value in written.items()]
    return "&".join([f"instruction={instruction}", *pairs])


def check_ed25519(public_key: str, signature: str | None, message: str) -> None:
    """Check a base64 signature with a public key of 32 bytes in base64."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if not signature:
        raise Refusal(Why.MISSING, "no signature")
    try:
        key = Ed25519PublicKey.from_public_bytes(b64(public_key))
        key.verify(b64(signature), message.encode())
    except (InvalidSignature, binascii.Error):
        raise Refusal(Why.SIGNATURE) from None


def check_pem(account: Account, signature: str | None, message: str) -> None:
    """Check a base64 signature with the account's Ed25519 key."""
    if not signature:
        raise Refusal(Why.MISSING, "no signature")
    _check_mark(account.public_key, "EdDSA", b64(signature), message.encode())


def check_coinbase(request: ReceivedRequest, account: Account) -> None:
    """Check the Bearer's JWT, whose ``uri`` is method, host and path; nothing else is signed.

    Source: https://docs.cdp.coinbase.com/coinbase-app/authentication-authorization/api-key-authentication
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer":
        raise Refusal(Why.MISSING, "no Authorization: Bearer")
    claims = check_jwt(token, account)
    wanted = f"{request.method} {request.headers.get('Host', '')}{request.path}"
    if wanted not in (claims.get("uri"), *claims.get("uris", ())):
        raise Refusal(Why.SIGNATURE, f"the token is for another uri than {wanted}")


def check_jwt(token: object, account: Account) -> dict[str, Any]:
    """Check a Cloud API key's JWT and return its claims; they live two minutes at most."""
    try:
        head, body, signature = str(token).split(".")
        header, claims = json.loads(_b64url(head)), json.loads(_b64url(body))
        mark = _b64url(signature)
    except ValueError:
        raise Refusal(Why.MISSING, "no JWT") from None
    account.check_key(header.get("kid"))
    if not header.get("nonce"):
        raise Refusal(Why.MISSING, "the header has no nonce")
    _check_mark(account.public_key, header.get("alg"), mark, f"{head}.{body}".encode())
    account.check_key(claims.get("sub"))
    now = account.time_ms() / 1000
    start, end = claims.get("nbf", 0), claims.get("exp", 0)
    if claims.get("iss") != "cdp":
        raise Refusal(Why.MISSING, "iss is not cdp")
    if not (start - 5 <= now < end and end - start <= 120):
        raise Refusal(Why.TIME, "the token is not good now, or for longer than 120 s")
    account.check_unused(header["nonce"])
    return dict(claims)


def _check_mark(public_key: str, algorithm: object, mark: bytes, signed: bytes) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    key = serialization.load_pem_public_key(public_key.encode())
    try:
        if algorithm == "ES256" and isinstance(key, ec.EllipticCurvePublicKey) and len(mark) == 64:
            pair = (int.from_bytes(mark[:32], "big"), int.from_bytes(mark[32:], "big"))
            key.verify(encode_dss_signature(*pair), signed, ec.ECDSA(hashes.SHA256()))
            return
        if algorithm == "EdDSA" and isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(mark, signed)
            return
    except InvalidSignature:
        pass
    raise Refusal(Why.SIGNATURE)


def check_hyperliquid(request: ReceivedRequest, account: Account) -> None:
    """Check the action's EIP-712 signature by the wallet that it recovers to.

    Source: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/signing, and
    https://github.com/hyperliquid-dex/hyperliquid-python-sdk, utils/signing.py (read 2026-07).
    """
    import msgpack  # type: ignore[import-untyped]
    from eth_utils.crypto import keccak

    body = json.loads(text_of(request))
    action, nonce, signature = body["action"], body["nonce"], body["signature"]
    if "signatureChainId" in action:
        hashed = _user_action_hash(action)
    else:
        packed = msgpack.packb(action) + int(nonce).to_bytes(8, "big")
        vault = body.get("vaultAddress")
        packed += b"\0" if vault is None else b"\1" + bytes.fromhex(vault.removeprefix("0x"))
        if body.get("expiresAfter") is not None:
            packed += b"\0" + int(body["expiresAfter"]).to_bytes(8, "big")
        agent = keccak(text="Agent(string source,bytes32 connectionId)")
        hashed = typed_hash(
            domain_hash("Exchange", 1337), keccak(agent + keccak(text="a") + keccak(packed))
        )
    if recovered(hashed, signature).lower() != account.wallet.lower():
        raise Refusal(Why.SIGNATURE)
    # A nonce is within two days behind and one ahead, and never used twice.
    account.check_time(nonce, 2 * 86_400_000, 86_400_000)
    account.check_unused(str(nonce))


# Type of a user-signed action -> its name and fields, as the wallet shows them.
_SENT = "hyperliquidChain:string destination:string amount:string time:uint64"
_USER_ACTIONS = {
    "usdClassTransfer": (
        "UsdClassTransfer",
        "hyperliquidChain:string amount:string toPerp:bool nonce:uint64",
    ),
    "usdSend": ("UsdSend", _SENT),
    "withdraw3": ("Withdraw", _SENT),
}


def _user_action_hash(action: dict[str, Any]) -> bytes:
    from eth_utils.crypto import keccak

    if action.get("type") not in _USER_ACTIONS:
        raise Refusal(Why.MISSING, f"no user-signed action {action.get('type')!r} is known here")
    name, listed = _USER_ACTIONS[action["type"]]
    fields = [field.split(":") for field in listed.split()]
    kinds = ",".join(f"{kind} {field}" for field, kind in fields)
    text = keccak(text=f"HyperliquidTransaction:{name}({kinds})")
    for field, kind in fields:
        value = action[field]
        text += keccak(text=value) if kind == "string" else int(value).to_bytes(32, "big")
    chain = int(action["signatureChainId"], 16)
    return typed_hash(domain_hash("HyperliquidSignTransaction", chain), keccak(text))


def domain_hash(name: str, chain: int) -> bytes:
    """Return the hash of an EIP-712 domain of version 1 and no contract."""
    from eth_utils.crypto import keccak

    kind = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    parts = keccak(text=kind) + keccak(text=name) + keccak(text="1")
    return bytes(keccak(parts + chain.to_bytes(32, "big") + bytes(32)))


def typed_hash(domain: bytes, struct: bytes) -> bytes:
    """Return what a wallet signs for a struct in a domain."""
    from eth_utils.crypto import keccak

    return bytes(keccak(b"\x19\x01" + domain + struct))


def recovered(hashed: bytes, signature: dict[str, Any]) -> str:
    """Return the address whose key made the signature of a hash."""
    from eth_keys.datatypes import Signature
    from eth_keys.exceptions import BadSignature

    try:
        parts = (int(signature["v"]) - 27, int(signature["r"], 16), int(signature["s"], 16))
        return Signature(vrs=parts).recover_public_key_from_msg_hash(hashed).to_checksum_address()
    except (BadSignature, KeyError, ValueError):
        raise Refusal(Why.SIGNATURE) from None


def _b64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
