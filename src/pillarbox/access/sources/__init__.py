"""The sources of users, behind one port."""

from __future__ import annotations
