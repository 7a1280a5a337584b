"""Signatures made with the standard library alone, and REST calls that are answered from a list."""

from __future__ import annotations

import base64
import hmac
from typing import Any

from networkpype import RESTMethod

__all__ = ["Answers", "mac"]


def mac(secret: str, text: str, algorithm: str = "sha256", encoding: str = "hex") -> str:
    """Return an HMAC over text."""
    digest = hmac.new(secret.encode(), text.encode(), algorithm).digest()
    return digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()


class Answers:
    """A `RESTCaller` that gives these answers in their order and keeps what it was asked."""

    def __init__(self, *answers: Any) -> None:
        self.calls: list[dict[str, Any]] = []
        self._answers = list(answers)

    async def execute_request(
        self,
        url: str | None = None,
        throttler_limit_id: str = "",
        params: Any = None,
        data: Any = None,
        method: RESTMethod = RESTMethod.GET,
        is_auth_required: bool = False,
    ) -> Any:
        asked = {"url": url, "params": params, "data": data, "method": str(method)}
        self.calls.append({**asked, "signed": is_auth_required})
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer
