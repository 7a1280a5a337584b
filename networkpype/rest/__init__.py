"""REST: a request and its wire form, the connection that sends it, the manager of the steps."""
