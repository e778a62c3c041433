"""Authentication: credentials in the store, other user sources, and why a login was refused."""

from __future__ import annotations
