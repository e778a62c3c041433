"""DNS over the network, from a cache, or from a zone file."""

from __future__ import annotations
