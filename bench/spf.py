"""SPF: checks per second when all answers are at hand, beside pyspf.

The record is a usual one: own exchangers, two includes of which one includes three more, and a
client that stands in the last of them. pyspf keeps nothing between checks, so it is given its
answers by a table; ours come through the cache that a node has.
"""

from __future__ import annotations

import asyncio
import warnings
from typing import Any, Final

from bench.mailauth import Work, compare
from bench.rows import Row
from pillarbox.clock import SystemClock
from pillarbox.dns.cache import CachingResolver
from pillarbox.dns.zone import ZoneResolver
from pillarbox.mailauth.spf import Result, check_host

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the compiler, on its regular expressions
    import spf as pyspf

__all__ = ["spf"]

_TEXTS: Final = {
    "example.org": "v=spf1 mx include:_spf.one.example include:_spf.two.example -all",
    "_spf.one.example": "v=spf1 ip4:198.51.100.0/24 ip6:2001:db8:1::/48 ~all",
    "_spf.two.example": "v=spf1 include:a.two.example include:b.two.example "
    "include:c.two.example ~all",
    "a.two.example": "v=spf1 ip4:10.1.0.0/16 ip4:10.2.0.0/16 ip4:10.3.0.0/16 ~all",
    "b.two.example": "v=spf1 ip6:2001:db8:2::/48 ip6:2001:db8:3::/48 ~all",
    "c.two.example": "v=spf1 ip4:10.4.0.0/16 ip4:203.0.113.0/24 ~all",
}
_CLIENT: Final = "203.0.113.7"
_SENDER: Final = "ann@example.org"
_ZONE: Final = "\n".join(
    [
        "$TTL 3600",
        "example.org. MX 10 mx.example.org.",
        "mx.example.org. A 192.0.2.1",
        *(f'{name}. TXT "{text}"' for name, text in _TEXTS.items()),
    ]
)
_TABLE: Final[dict[tuple[str, str], list[Any]]] = {
    ("example.org", "MX"): [(10, "mx.example.org")],
    ("mx.example.org", "A"): ["192.0.2.1"],
    **{(name, "TXT"): [(text.encode(),)] for name, text in _TEXTS.items()},
}
_BATCH: Final = 100  # checks between which the clock is not looked at


def spf() -> list[Row]:
    """Measure whole checks."""
    return compare("spf check, cached", {"pillarbox": _ours(), "pyspf": _theirs()}, size=0)


def _ours() -> Work:
    async def some() -> int:
        resolver = CachingResolver(ZoneResolver(_ZONE), SystemClock())
        for _ in range(_BATCH):
            found = await check_host(_CLIENT, "example.org", _SENDER, resolver, helo="h.example")
            if found.result is not Result.PASS:
                raise RuntimeError(found.reason)
        return _BATCH

    def work() -> int:
        with asyncio.Runner() as runner:
            return runner.run(some())

    return work


def _theirs() -> Work:
    def look_up(name: str, kind: str, *_: object) -> list[tuple[tuple[str, str], Any]]:
        return [((name, kind), value) for value in _TABLE.get((name, kind), ())]

    pyspf.DNSLookup = look_up

    def work() -> int:
        result, _ = pyspf.check2(_CLIENT, _SENDER, "h.example")
        if result != "pass":
            raise RuntimeError(result)
        return 1

    return work
