"""A small internet in a box: zones, mail servers that misbehave on order, virtual time."""

from __future__ import annotations
