"""Hyperliquid's family: an action in the body, signed by a wallet as typed data of EIP-712."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from networkpype import codec
from networkpype.auth.schemes.base import RESTScheme
from networkpype.auth.schemes.draft import Draft
from networkpype.errors import ConfigurationError
from networkpype.rest.request import JSON_TYPE
from networkpype.signing.extras import require
from networkpype.signing.typed_data import (
    EVM,
    Fields,
    TypedData,
    is_address,
    keccak,
    split_signature,
)

__all__ = ["TypedAction"]

_ZERO = "0x" + "0" * 40
_ENVELOPE = frozenset({"action", "nonce", "vaultAddress", "expiresAfter", "signature"})
_chain_id = re.compile(r"0x[0-9a-fA-F]{1,16}").fullmatch


@dataclass(kw_only=True, eq=False, repr=False)
class TypedAction(RESTScheme):
    """Sign the action in `data`, and send it with nonce and signature.

    `data` is the action, or a mapping of ``action`` and, where they are wanted, ``vaultAddress``,
    ``expiresAfter`` (ms) and a ``nonce`` of your own. Names stay in the order they are given, for
    the signature is over them; prices and sizes are texts.

    A type in `user_actions` is signed field by field, with the chain and a nonce put into it where
    they lack; every other action by its hash, which is told as "agent" with the `source` "a" of the
    live network or "b" of the test network. Other paths than `path` are public.
    """

    user_actions: Mapping[str, tuple[str, Fields]]
    source: str = "a"
    chain: str = "Mainnet"
    chain_id: str = "0x66eee"
    path: str = "/exchange"
    signing: EVM = field(default_factory=EVM)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._agent = TypedData(
            {"name": "Exchange", "version": "1", "chainId": 1337, "verifyingContract": _ZERO},
            {"Agent": (("source", "string"), ("connectionId", "bytes32"))},
            "Agent",
        )
        self._prepared: dict[tuple[str, str], TypedData] = {}

    def canonical(self, draft: Draft) -> None:
        if draft.path != self.path or draft.method != "POST":
            raise ConfigurationError(
                f"{draft.method} {draft.path} takes no signature, only POST {self.path} does; "
                "leave out is_auth_required"
            )
        if draft.query:
            raise ConfigurationError(f"{self.path} takes no query; pass the action as data={{...}}")
        envelope = _envelope(draft.request.data)
        action = envelope["action"]
        kind = action.get("type")
        if not isinstance(kind, str):
            raise ConfigurationError('the action has no "type"; see the exchange\'s list of them')
        if kind == "multiSig":
            raise ConfigurationError(
                "an action of several signers is not signed here; write a RESTScheme for it"
            )
        if kind in self.user_actions:
            self._complete(draft, envelope, kind)
        elif envelope["nonce"] is None:
            envelope["nonce"] = draft.identity.nonce()
        draft.nonce = str(_whole(envelope, "nonce"))
        if envelope["expiresAfter"] is not None:
            _whole(envelope, "expiresAfter")
        draft.content_type = JSON_TYPE
        draft.request.data = envelope

    def string_to_sign(self, draft: Draft) -> bytes:
        envelope = draft.request.data
        action = envelope["action"]
        if action["type"] in self.user_actions:
            return self._user_digest(action)
        hashed = action_hash(
            action, envelope["nonce"], envelope["vaultAddress"], envelope["expiresAfter"]
        )
        return self._agent.digest({"source": self.source, "connectionId": hashed})

    def explained(self, draft: Draft) -> Mapping[str, str]:
        """Return the action, and the message (EIP-712) whose digest the string to sign is."""
        envelope = draft.request.data
        action = envelope["action"]
        told = {"action": codec.dumps_utf8(action)}
        if action["type"] in self.user_actions:
            primary, fields = self.user_actions[action["type"]]
            message = {name: action.get(name, "") for name, _ in fields}
            return told | {"typed data": f"{primary} {codec.dumps_utf8(message)}"}
        hashed = action_hash(
            action, envelope["nonce"], envelope["vaultAddress"], envelope["expiresAfter"]
        )
        message = {"source": self.source, "connectionId": f"0x{hashed.hex()}"}
        return told | {"typed data": f"Agent {codec.dumps_utf8(message)}"}

    def signature(self, draft: Draft) -> str:
        return draft.identity.sign(self.signing, draft.string_to_sign)

    def place(self, draft: Draft) -> None:
        r, s, v = split_signature(draft.signature)
        envelope = draft.request.data
        body = {
            "action": envelope["action"],
            "nonce": envelope["nonce"],
            "signature": {"r": r, "s": s, "v": v},
        }
        for name in ("expiresAfter", "vaultAddress"):
            if envelope[name] is not None:
                body[name] = envelope[name]
        draft.body = codec.dumps_utf8(body)

    def _complete(self, draft: Draft, envelope: dict[str, Any], kind: str) -> None:
        """Put into a user's action what its signature is over besides the caller's fields."""
        for name in ("vaultAddress", "expiresAfter"):
            if envelope[name] is not None:
                raise ConfigurationError(
                    f'"{kind}" is signed by the user and has no {name}; leave it out'
                )
        chain = {"hyperliquidChain": self.chain, "signatureChainId": self.chain_id}
        action = {**chain, **envelope["action"]}
        if action["hyperliquidChain"] != self.chain:
            raise ConfigurationError(
                f'the action is for "{action["hyperliquidChain"]}", and this is {self.chain}'
            )
        counter = self.user_actions[kind][1][-1][0]  # "time" with some, "nonce" with others
        if counter not in action:
            given = envelope["nonce"]
            action[counter] = draft.identity.nonce() if given is None else given
            _whole(action, counter)
        elif envelope["nonce"] not in (None, action[counter]):
            raise ConfigurationError(
                f'"{counter}" in the action and the nonce beside it differ; leave out one of them'
            )
        envelope["nonce"] = action[counter]
        envelope["action"] = action

    def _user_digest(self, action: Mapping[str, Any]) -> bytes:
        kind, chain_id = action["type"], action["signatureChainId"]
        prepared = self._prepared.get((kind, chain_id))
        if prepared is None:
            if not isinstance(chain_id, str) or not _chain_id(chain_id):
                raise ConfigurationError('"signatureChainId" is no hex number such as 0x66eee')
            primary, fields = self.user_actions[kind]
            domain = {
                "name": "HyperliquidSignTransaction",
                "version": "1",
                "chainId": int(chain_id, 16),
                "verifyingContract": _ZERO,
            }
            prepared = TypedData(domain, {primary: fields}, primary)
            if chain_id == self.chain_id:  # others may be any number of numbers
                self._prepared[kind, chain_id] = prepared
        if kind == "approveAgent" and "agentName" not in action:
            # An agent without a name is signed with an empty one, and posted without any.
            action = {**action, "agentName": ""}
        return prepared.digest(action)


def action_hash(
    action: Mapping[str, Any], nonce: int, vault: str | None = None, expires: int | None = None
) -> bytes:
    """Return the hash by which an action is signed: its msgpack, nonce, vault and expiry."""
    pack = require("msgpack", "evm").packb
    try:
        packed: bytes = pack(action)
    except (TypeError, ValueError, OverflowError) as error:
        problem = type(error).__name__
    else:
        parts = [packed, nonce.to_bytes(8, "big"), b"\0" if vault is None else _account(vault)]
        if expires is not None:
            parts.append(b"\0" + expires.to_bytes(8, "big"))
        return keccak(b"".join(parts))
    raise ConfigurationError(
        f"the action cannot be packed ({problem}); send prices and sizes as str, and leave out "
        "what is None"
    )


def _account(vault: Any) -> bytes:
    # Some write it without its 0x, which is no part of what is hashed.
    whole = f"0x{vault.removeprefix('0x')}" if isinstance(vault, str) else ""
    if not is_address(whole):
        raise ConfigurationError("vaultAddress is no address: 40 hex digits behind 0x")
    return b"\1" + bytes.fromhex(whole[2:])


def _whole(fields: dict[str, Any], name: str) -> int:
    """Have a number of milliseconds there as an int, for it is hashed as one."""
    value = fields[name]
    if isinstance(value, str) and value.isdecimal():
        value = fields[name] = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 64:
        raise ConfigurationError(
            f"{name} is {value if isinstance(value, int) else 'a ' + type(value).__name__}; "
            "pass whole milliseconds as an int"
        )
    return value


def _envelope(data: Any) -> dict[str, Any]:
    """Return the action and what goes beside it, None for what is not there."""
    if not isinstance(data, Mapping):
        raise ConfigurationError(
            f"the body is {'missing' if data is None else 'a ' + type(data).__name__}; "
            'pass data={"type": ..., ...}, the action'
        )
    if "type" not in data and isinstance(data.get("action"), Mapping):
        if unknown := set(data) - _ENVELOPE:
            raise ConfigurationError(
                f"beside the action there is {', '.join(sorted(map(str, unknown)))}; known: "
                "nonce, vaultAddress, expiresAfter"
            )
        envelope = dict(data)
    else:
        envelope = {"action": data}
    envelope["action"] = dict(envelope["action"])
    return {
        name: envelope.get(name) for name in ("action", "nonce", "vaultAddress", "expiresAfter")
    }
