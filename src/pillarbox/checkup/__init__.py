"""Checks a domain, a mail server, a login and outgoing port 25 from the outside.

``probes/`` ask the network and gather ``facts/``; ``rules/`` judge the facts, without I/O, into
remarks; ``score`` sums the remarks up.
"""
