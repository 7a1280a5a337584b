"""KuCoin's family: headers, with the passphrase signed as well."""

from __future__ import annotations

from dataclasses import dataclass, field

from networkpype.auth.identity import Identity
from networkpype.auth.schemes.base import RESTScheme
from networkpype.auth.schemes.draft import Draft
from networkpype.auth.schemes.layout import Layout
from networkpype.signing.methods import HMAC, SigningMethod
from networkpype.signing.timestamps import time_writer

__all__ = ["KuCoinSignature"]

_write_time = time_writer("ms")


@dataclass(kw_only=True, eq=False, repr=False)
class KuCoinSignature(RESTScheme):
    """Sign ``time + method + path and query + body``; the passphrase is signed once an identity.

    The query is signed as it was before percent-encoding, and sent encoded. `key_version` is that
    of the API key: "2" or "3", which sign alike.
    """

    signing: SigningMethod = field(default_factory=lambda: HMAC("sha256", "base64"))
    key_version: str = "2"
    layout: Layout = field(default_factory=Layout)

    def canonical(self, draft: Draft) -> None:
        draft.timestamp = _write_time(draft.identity.time())
        self.layout.settle(draft)

    def string_to_sign(self, draft: Draft) -> str:
        return f"{draft.timestamp}{draft.method}{draft.raw_path_qs}{draft.body_text}"

    def signature(self, draft: Draft) -> str:
        return draft.identity.sign(self.signing, draft.string_to_sign)

    def place(self, draft: Draft) -> None:
        headers, identity = draft.headers, draft.identity
        headers["KC-API-KEY"] = identity.key
        headers["KC-API-SIGN"] = draft.signature
        headers["KC-API-TIMESTAMP"] = draft.timestamp
        headers["KC-API-PASSPHRASE"] = identity.kept("signed passphrase", self._signed_passphrase)
        headers["KC-API-KEY-VERSION"] = self.key_version

    def _signed_passphrase(self, identity: Identity) -> str:
        return identity.sign(self.signing, identity.passphrase)
