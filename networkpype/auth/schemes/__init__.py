"""How a REST request is signed: one family of exchanges a module, each exchange mere data."""
