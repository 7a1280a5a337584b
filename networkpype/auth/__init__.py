"""Who am I? The contract that an exchange's own `Auth` fulfils."""

from networkpype.auth.base import Auth

__all__ = ["Auth"]
