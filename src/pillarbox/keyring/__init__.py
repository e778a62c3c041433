"""DKIM keys at rest: kept, published, rotated, and found for the mail they are to sign."""

from __future__ import annotations
