"""Ready-made identities: `exchange_auth("okx", credentials)`; `names()` lists what there is."""

from networkpype.exchanges.exchange import Exchange
from networkpype.exchanges.limits import learners_of
from networkpype.exchanges.registry import exchange, exchange_auth, names

__all__ = ["Exchange", "exchange", "exchange_auth", "learners_of", "names"]
