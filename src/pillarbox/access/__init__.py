"""Who may log in: the credentials in the store, other sources of users, and why one was refused."""

from __future__ import annotations
