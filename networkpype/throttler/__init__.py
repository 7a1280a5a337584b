"""May I send now? Rate limits, the windows that count them, and the throttler that waits."""
