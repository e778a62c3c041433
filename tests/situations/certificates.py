"""Certificates that are right, and wrong in one way each."""

from __future__ import annotations

import datetime as dt
import ssl
import tempfile
import warnings
from functools import cache
from pathlib import Path

import trustme

from pillarbox.lab.certificate import self_signed_context

__all__ = ["HOST", "NOW", "authorities", "context", "incomplete", "old", "self_signed", "strangers"]

HOST = "mx.org.example"
NOW = dt.datetime.now(dt.UTC)

_AUTHORITY = trustme.CA()
_FOLDER = tempfile.TemporaryDirectory(prefix="pillarbox-situations-")


@cache
def authorities() -> Path:
    """Return the file of the authority that is trusted here."""
    path = Path(_FOLDER.name) / "authority.pem"
    path.write_bytes(_AUTHORITY.cert_pem.bytes())
    return path


def context(name: str = HOST, *, days: int = 90) -> ssl.SSLContext:
    """Return a server's context with a certificate that lasts for some days from now."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _AUTHORITY.issue_cert(
        name, not_before=NOW - dt.timedelta(days=100), not_after=NOW + dt.timedelta(days=days)
    ).configure_cert(made)
    return made


def strangers() -> ssl.SSLContext:
    """Return a context with a certificate of an authority that nobody knows."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert(HOST).configure_cert(made)
    return made


def incomplete() -> ssl.SSLContext:
    """Return a context that leaves out the intermediate certificate."""
    issued = _AUTHORITY.create_child_ca().issue_cert(HOST)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pem = Path(_FOLDER.name) / "incomplete.pem"
    pem.write_bytes(issued.private_key_pem.bytes() + issued.cert_chain_pems[0].bytes())
    made.load_cert_chain(pem)
    return made


def self_signed() -> ssl.SSLContext:
    """Return a context with a self-signed certificate."""
    return self_signed_context(HOST)


def old(*, also_new: bool = False) -> ssl.SSLContext:
    """Return a context for TLS 1.0 and 1.1, and nothing newer unless told otherwise."""
    made = context()
    made.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        made.minimum_version = ssl.TLSVersion.TLSv1
        if not also_new:
            made.maximum_version = ssl.TLSVersion.TLSv1_1
    return made
