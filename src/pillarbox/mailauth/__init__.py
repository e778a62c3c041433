"""Who sent a message. So far: what is asked of DNS (``resolver``)."""

from __future__ import annotations
