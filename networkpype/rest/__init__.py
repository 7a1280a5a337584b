"""REST: a request, its wire form, the connection that sends it and the manager that orders the steps."""
