"""What bytes are signed, and how: bytes in, text out. Knows no request and no exchange."""
