"""Certificates obtained and renewed automatically by ACME (RFC 8555)."""
