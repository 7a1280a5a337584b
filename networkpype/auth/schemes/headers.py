"""The largest family: one string over time, method, path and body, and headers for the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from networkpype.auth.schemes.base import RESTScheme
from networkpype.auth.schemes.draft import Draft, Template
from networkpype.auth.schemes.layout import Layout
from networkpype.signing.methods import HMAC, SigningMethod
from networkpype.signing.timestamps import TimeFormat, time_writer

__all__ = ["HeaderSignature"]


@dataclass(kw_only=True, eq=False, repr=False)
class HeaderSignature(RESTScheme):
    """Sign a template and place headers, each a template too; the fields are those of `FIELDS`.

    `expires_in_s`, where set, makes `expires`: the timestamp that many seconds later, in its form.
    """

    message: str
    headers: Mapping[str, str]
    signing: SigningMethod = field(default_factory=HMAC)
    timestamp: TimeFormat = "ms"
    layout: Layout = field(default_factory=Layout)
    expires_in_s: float | None = None
    recv_window: str = ""
    content_type: str = ""
    """A Content-Type of its own for requests whose body sets none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.layout.params_in_body or self.layout.sort_query:
            self.draft = self.layout.draft
        self._message = Template(self.message, place="message").render
        self._headers = [
            (name, Template(text, place=f'headers["{name}"]').render)
            for name, text in self.headers.items()
        ]
        self._write_time = time_writer(self.timestamp)
        # Under names of their own: beside a class attribute each look takes three times as long.
        self._lifetime_s, self._window = self.expires_in_s, self.recv_window
        self._type, self._settle = self.content_type, self.layout.settle
        texts = "".join((self.message, *self.headers.values()))
        self._takes_nonce = "{nonce}" in texts
        self._takes_time = "{timestamp}" in texts

    def canonical(self, draft: Draft) -> None:
        if self._lifetime_s is not None:
            now = draft.identity.time()
            draft.expires = self._write_time(now + self._lifetime_s)
            if self._takes_time:
                draft.timestamp = self._write_time(now)
        elif self._takes_time:
            draft.timestamp = self._write_time(draft.identity.time())
        if self._takes_nonce:
            draft.nonce = str(draft.identity.nonce())
        draft.recv_window = self._window
        draft.content_type = self._type
        self._settle(draft)

    def string_to_sign(self, draft: Draft) -> str:
        return self._message(draft)

    def signature(self, draft: Draft) -> str:
        return draft.identity.sign(self.signing, draft.string_to_sign)

    def place(self, draft: Draft) -> None:
        headers = draft.headers
        for name, render in self._headers:
            headers[name] = render(draft)
