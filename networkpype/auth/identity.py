"""Who signs, and with which clock, nonces and ids."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar, cast

from networkpype.credentials import Credentials
from networkpype.errors import ConfigurationError, MissingCredentialsError, NetworkpypeError
from networkpype.redact import scrub
from networkpype.signing.methods import Signer, SigningMethod
from networkpype.signing.nonces import Nonces, NonceSource, NonceUnit, ReservedNonces

if TYPE_CHECKING:
    from networkpype.auth.access_tokens import TokenStore

__all__ = ["Identity", "TimeSource"]

T = TypeVar("T")


class TimeSource(Protocol):
    """Tells the exchange's time in Unix seconds; a `TimeSynchronizer` is one."""

    def time(self) -> float: ...


class Identity:
    """Credentials bound to signers, a clock, and sources of nonces and ids.

    A scheme or pattern asks it for everything that is secret or new. `key`, `passphrase`, `memo`
    and `wallet` are texts, empty where the credentials have none. ``time()`` is the exchange's time
    in Unix seconds; ``nonce()`` is greater than every one before, unless the source is yours. One
    with a `reserve` is awaited for each signature: ``nonce()`` works in `signed` alone then.
    """

    # Attributes and not methods, for a signature calls them and each frame counts.
    time: Callable[[], float]
    nonce: Callable[[], int | str]

    __slots__ = (
        "_credentials",
        "_kept",
        "_new_id",
        "_nonces",
        "_signers",
        "awaited_nonces",
        "key",
        "memo",
        "nonce",
        "passphrase",
        "time",
        "token_store",
        "wallet",
    )

    def __init__(
        self,
        credentials: Credentials,
        time_source: TimeSource,
        *,
        nonce: Callable[[], int | str] | NonceSource | None = None,
        new_id: Callable[[], int | str] | None = None,
        nonce_unit: NonceUnit = "ms",
        token_store: TokenStore | None = None,
    ) -> None:
        if not isinstance(credentials, Credentials):
            raise ConfigurationError(
                f"credentials is a {type(credentials).__name__}; pass Credentials(key=..., ...)"
            )
        self.awaited_nonces: ReservedNonces | None = None
        """Where nonces have to be awaited."""
        if callable(getattr(nonce, "reserve", None)):
            nonce = self.awaited_nonces = ReservedNonces(cast("NonceSource", nonce))
        if token_store is not None and not callable(getattr(token_store, "renewed", None)):
            raise ConfigurationError(
                f"token_store is a {type(token_store).__name__}; pass one such as RedisTokens"
            )
        self.token_store = token_store
        """Who keeps the access token for other processes as well, None for nobody."""
        for name, source in (("nonce", nonce), ("new_id", new_id)):
            if source is not None and not callable(source):
                raise ConfigurationError(f"{name} is a {type(source).__name__}; pass a callable")
        self._credentials = credentials
        self.time = time_source.time
        self._nonces: Nonces | None = None
        if nonce is None:
            nonce = self._nonces = Nonces(nonce_unit, self.time)
        self.nonce = cast("Callable[[], int | str]", nonce)
        self._new_id = new_id
        self._kept: dict[str, Any] = {}
        # By id, for the hash of a method costs more than its signature; the method is kept with it.
        self._signers: dict[int, tuple[SigningMethod, Signer]] = {}
        self.key = credentials.reveal("key")
        self.passphrase = credentials.reveal("passphrase")
        self.memo = credentials.reveal("memo")
        self.wallet = credentials.reveal("wallet")

    @property
    def has_private_key(self) -> bool:
        """Tell whether the credentials hold a private key or name a file with one."""
        return self._credentials.private_key is not None or (
            self._credentials.private_key_path is not None
        )

    def use_clock(self, time_source: TimeSource) -> None:
        """Take the time from this source from now on."""
        self.time = time_source.time
        if self._nonces is not None:  # those of the caller have a clock of their own
            self._nonces.use_clock(self.time)

    async def signed(self, sign: Callable[[], T]) -> T:
        """Return what `sign` makes, with a nonce that is awaited first where they have to be."""
        return sign() if self.awaited_nonces is None else await self.awaited_nonces.signed(sign)

    def random_text(self) -> str:
        """Return a text that never comes again, for exchanges whose nonce is no number.

        From `nonce` where that gives texts, else from `new_id`, else 32 hex digits.
        """
        counts = isinstance(self.nonce, (Nonces, ReservedNonces))
        if not counts and isinstance(text := self.nonce(), str):
            return text
        return str(self._new_id()) if self._new_id is not None else uuid.uuid4().hex

    def new_id(self) -> int | str | None:
        """Return an id of the caller's source for a message, None where there is no source."""
        return None if self._new_id is None else self._new_id()

    def sign(self, method: SigningMethod, message: str | bytes) -> str:
        """Return the signature of the message; text is signed as UTF-8."""
        failed: NetworkpypeError
        try:
            known = self._signers.get(id(method))
            if known is None:
                known = self._signers[id(method)] = (method, self._bind(method))
            if type(message) is str and message.isascii():
                message = message.encode()  # as nearly all are; with arguments it takes twice that
            elif isinstance(message, str):
                message = message.encode("utf-8", "surrogateescape")
            return known[1](message)
        except UnicodeEncodeError:
            failed = ConfigurationError(
                "what is signed holds half of a surrogate pair, which UTF-8 cannot carry; "
                "decode the text properly before passing it"
            )
        except NetworkpypeError as error:
            failed = error.with_traceback(None)
        message = ""  # a traceback that prints local variables would print it
        raise failed

    def hidden(self, text: str) -> str:
        """Return the text of an exchange without our key, secret, passphrase and memo in it."""
        fields = ("key", "secret", "passphrase", "memo")
        return scrub(text, {self._credentials.reveal(field) for field in fields})

    def kept(self, name: str, make: Callable[[Identity], T]) -> T:
        """Return what `make` made when this name was first asked for.

        For what a scheme and a pattern share, or prepare once: a token, a signed passphrase.
        """
        failed: NetworkpypeError
        try:
            if name not in self._kept:
                self._kept[name] = make(self)
            found: T = self._kept[name]
            return found
        except NetworkpypeError as error:
            failed = error.with_traceback(None)  # what makes it has secrets in local variables
        raise failed

    def reveal(self, field: str) -> str:
        """Return the text of a field of the credentials, empty where it is not set."""
        return self._credentials.reveal(field)

    def _bind(self, method: SigningMethod) -> Signer:
        credentials = self._credentials
        # An exchange that hands out a PEM key calls it a secret as often as not.
        field = "private_key" if method.takes_private_key and self.has_private_key else "secret"
        if not credentials.has(field):
            either = "secret or private_key" if method.takes_private_key else field
            raise MissingCredentialsError(
                f"this signature needs {either}; pass Credentials({field}=...)"
            )
        # What is given as a private key must be one: as an HMAC secret it would sign as well.
        bind = method.private_signer if field == "private_key" else method.signer
        try:
            return bind(
                credentials.reveal(field), credentials.reveal("private_key_password") or None
            )
        except Exception as error:
            # The frames below hold the key in their local variables, and a traceback may show them.
            failed = error.with_traceback(None)
            failed.__cause__ = failed.__context__ = None
        raise failed

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("Identity does not pickle or copy: it holds secrets")

    def __repr__(self) -> str:
        return "Identity(***)"
