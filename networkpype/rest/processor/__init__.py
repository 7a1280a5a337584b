"""Hooks that rewrite a REST request before it is signed, or a response after it arrived."""
