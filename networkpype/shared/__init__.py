"""What several processes share: limits, over one Redis."""
