"""What is told of limits in more than one place: to the log and to the hook."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from networkpype.hooks import Hook, LimitUnblocked, emit

__all__ = ["tell_unblocked"]

_log = logging.getLogger(__name__)


def tell_unblocked(hook: Hook | None, limit_ids: Sequence[str], left_s: float) -> None:
    """Tell that limits were blocked for `left_s` more and no longer are."""
    _log.warning(
        "calls go again, %g s early, for unblock() was called: %s", left_s, ", ".join(limit_ids)
    )
    emit(hook, LimitUnblocked(tuple(limit_ids), left_s))
