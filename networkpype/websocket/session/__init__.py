"""A connection that stays: it dials, logs in, subscribes, and does so again after every drop."""
