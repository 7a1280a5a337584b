"""HTX's family: method, host, path and sorted query on four lines, the signature in the query."""

from __future__ import annotations

from dataclasses import dataclass, field

from networkpype.auth.schemes.base import RESTScheme
from networkpype.auth.schemes.draft import Draft
from networkpype.auth.schemes.layout import Layout
from networkpype.rest.request import FORM_TYPE
from networkpype.signing.methods import HMAC, SigningMethod
from networkpype.signing.timestamps import time_writer
from networkpype.wire import encode_pairs

__all__ = ["HostQuerySignature"]

_write_time = time_writer("iso s")


@dataclass(kw_only=True, eq=False, repr=False)
class HostQuerySignature(RESTScheme):
    """Sign ``METHOD\\nhost\\npath\\nquery``, the query sorted by name with four fields in it.

    `signature_method` and `version` stand in the query. A POST has its arguments in a JSON body,
    which is not signed; all that is in a URL is.
    """

    signing: SigningMethod = field(default_factory=lambda: HMAC("sha256", "base64"))
    signature_method: str = "HmacSHA256"
    version: str = "2"
    layout: Layout = field(
        default_factory=lambda: Layout(empty_body="{}", query_only=("PUT", "DELETE"))
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        fixed = {"SignatureMethod": self.signature_method, "SignatureVersion": self.version}
        self._fixed = encode_pairs(fixed)

    def canonical(self, draft: Draft) -> None:
        draft.content_type = FORM_TYPE
        self.layout.settle(draft)
        draft.timestamp = _write_time(draft.identity.time())
        key = encode_pairs({"AccessKeyId": draft.identity.key})
        own = f"{key}&{self._fixed}&Timestamp={draft.timestamp.replace(':', '%3A')}"
        if not draft.query:
            draft.query = own  # sorted already
            return
        pairs = f"{own}&{draft.query}".split("&")
        # By name alone: "=" comes after "-" and the digits, so whole pairs have another order.
        pairs.sort(key=_name)
        draft.query = "&".join(pairs)

    def string_to_sign(self, draft: Draft) -> str:
        return f"{draft.method}\n{draft.host}\n{draft.path}\n{draft.query}"

    def signature(self, draft: Draft) -> str:
        return draft.identity.sign(self.signing, draft.string_to_sign)

    def place(self, draft: Draft) -> None:
        draft.query = f"{draft.query}&{encode_pairs({'Signature': draft.signature})}"


def _name(pair: str) -> str:
    return pair.partition("=")[0]
