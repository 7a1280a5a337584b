"""How each exchange tells who is asking: a family of exchanges a module, written from their pages.

Nothing here is shared with `networkpype.signing` or `networkpype.auth`: standard library, the wire
and, where a signature is asymmetric, the package that checks it.
"""
