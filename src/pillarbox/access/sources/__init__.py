"""The places that know users, behind one port."""

from __future__ import annotations
