"""Combines the CRC-32 of two pieces into the CRC-32 of their concatenation.

A content can be checksummed while its body arrives, before the header in front of it is final.
Appending a zero octet to a message multiplies its CRC by x^8 modulo the polynomial, so the first
piece's CRC is shifted by as many octets as the second has, by repeated squaring.
"""

from __future__ import annotations

from typing import Final

__all__ = ["joined_crc32"]

_POLYNOMIAL: Final = 0xEDB88320  # of CRC-32 (ISO 3309), the lowest power in the highest bit
_ONE: Final = 1 << 31  # x^0 in that order of bits
_OCTET: Final = 1 << 23  # x^8


def joined_crc32(first: int, second: int, second_size: int) -> int:
    """Return ``zlib.crc32(a + b)``.

    Args:
        first: ``zlib.crc32(a)``.
        second: ``zlib.crc32(b)``.
        second_size: Octets in ``b``.
    """
    return _product(_power(_OCTET, second_size), first) ^ second


def _power(base: int, exponent: int) -> int:
    result = _ONE
    while exponent:
        if exponent & 1:
            result = _product(base, result)
        base = _product(base, base)
        exponent >>= 1
    return result


def _product(a: int, b: int) -> int:
    """Multiply two polynomials modulo the CRC's."""
    result = 0
    bit = _ONE
    while a:
        if a & bit:
            result ^= b
            a ^= bit
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
        bit >>= 1
    return result
