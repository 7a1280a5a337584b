"""What one limit has left, for each kind of limit."""
