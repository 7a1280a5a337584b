"""``networkpype demo``: a connector trades on a mock exchange, and what it promises is checked."""
