"""Who counts: the contract of a limit store, and the one that counts in this process."""
