"""What a time synchronizer is made of: samples in, an offset out; no exchange, no request."""
