"""Delivery: what is due, where it goes, and the result."""

from __future__ import annotations
