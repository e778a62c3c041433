"""Certificates from an authority, fetched and renewed without anybody's help (RFC 8555)."""
