"""Packages that only some signatures need, imported when the first of them is bound."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any, Literal, TypeAlias

from networkpype.errors import MissingExtraError

__all__ = ["Extra", "require"]

Extra: TypeAlias = Literal["crypto", "jwt", "evm"]
"""The extras of networkpype that hold packages for signatures."""

# Where the package has another name than its module.
_PACKAGES = {"Crypto": "pycryptodome", "eth_keys": "eth-keys"}


def require(module: str, extra: Extra) -> Any:
    """Return the module; MissingExtraError names the pip command where it cannot be imported."""
    top = module.partition(".")[0]
    loaded = sys.modules.get(module)
    # Asked before each hash of Ethereum's, and five times as fast as importing what is there.
    if loaded is not None and sys.modules.get(top) is not None and not _is_loading(loaded):
        return loaded
    try:
        import_module(top)
        return import_module(module)
    except ImportError:
        pass  # raised below: the error says all that there is to know
    raise MissingExtraError(
        f"this signature needs {_PACKAGES.get(top, top)}, which is not installed; "
        f'run: pip install "networkpype[{extra}]"'
    )


def _is_loading(module: ModuleType) -> bool:
    """Tell whether another thread is still executing it, as `importlib` itself asks."""
    return getattr(module.__spec__, "_initializing", False)
