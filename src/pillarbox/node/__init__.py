"""The node: the only place that chooses adapters and starts services."""

from __future__ import annotations
