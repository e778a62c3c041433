"""Delivery: what is due, where it goes, and what came of it."""

from __future__ import annotations
