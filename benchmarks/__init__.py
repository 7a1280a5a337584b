"""What networkpype costs, measured beside its goals: `make bench`."""
