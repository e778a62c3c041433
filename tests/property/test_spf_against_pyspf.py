"""Our SPF beside pyspf, on random records over random zones.

Where the two disagree, one of ``_EXPLAINED`` says why, or the test fails.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from tests.suites.spf import SuiteZone

from pillarbox.mailauth import spf
from pillarbox.mailauth.spf import Result, Spf

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pyspf = pytest.importorskip("spf", reason="pyspf is not installed")

Zone = dict[str, list[Any]]

HOSTS: Final = [f"d{number}.example" for number in range(6)]
IPV4: Final = [f"192.0.2.{number}" for number in (1, 2, 9, 129)]
IPV6: Final = [f"2001:db8::{number}" for number in (1, 2, 9)]
NAMES: Final = st.sampled_from(
    [*HOSTS, "none.example", "sub.d1.example", "%{d}", "%{h}", "%{l}.%{o}"]
)
ADDRESSES: Final = st.sampled_from([*IPV4, *IPV6])
BAD: Final = st.sampled_from(
    [
        "a:",
        "ip4:1.2.3",
        "ip6:x",
        "mx/33",
        "a//129",
        "all:x",
        "include",
        "exists",
        "foo:bar",
        "a/01",
        "redirect=",
        "exp=",
        "=x",
        "-",
        "a:x",
        "a:%{q}.d0.example",
        "a:%",
        "ip4:192.0.2.1/33",
        "ptr/24",
    ]
)
MECHANISMS: Final = st.one_of(
    st.sampled_from(["all", "a", "mx", "ptr", "a/24", "mx/25//64", "a//48"]),
    st.builds("{}:{}".format, st.sampled_from(["a", "mx", "include", "exists", "ptr"]), NAMES),
    st.builds("a:{}/{}".format, NAMES, st.integers(0, 32)),
    st.builds("ip4:{}/{}".format, st.sampled_from(IPV4), st.integers(0, 32)),
    st.builds("ip6:{}/{}".format, st.sampled_from(IPV6), st.integers(0, 128)),
)
TERMS: Final = st.one_of(
    MECHANISMS,
    st.builds("{}{}".format, st.sampled_from("+-~?"), MECHANISMS),
    st.builds("redirect={}".format, NAMES),
    st.sampled_from(["x-tra=1", "MX", "Include:d1.example", "exp=d5.example"]),
)
RARELY: Final = st.integers(0, 19).map(lambda number: number == 0)


@st.composite
def records(draw: st.DrawFn) -> str:
    """Make a record."""
    terms = draw(st.lists(TERMS, max_size=5))
    if draw(RARELY):
        terms.append(draw(BAD))
    return " ".join([draw(st.sampled_from(["v=spf1"] * 9 + ["V=SPF1"])), *terms])


@st.composite
def zones(draw: st.DrawFn) -> Zone:
    """Make what DNS knows of the hosts, and of the addresses."""
    zone: Zone = {}
    for host in HOSTS:
        entries: list[Any] = [{"TXT": text} for text in draw(st.lists(records(), max_size=1))]
        entries += [{"A": ip} for ip in draw(st.lists(st.sampled_from(IPV4), max_size=2))]
        entries += [{"AAAA": ip} for ip in draw(st.lists(st.sampled_from(IPV6), max_size=2))]
        for target in draw(st.lists(st.sampled_from(HOSTS), max_size=2, unique=True)):
            entries.append({"MX": [10, target]})
        if draw(RARELY):
            entries.append("TIMEOUT")
        zone[host] = entries
    for number in (1, 2):
        zone[f"{number}.2.0.192.in-addr.arpa"] = [{"PTR": draw(st.sampled_from(HOSTS))}]
    return zone


def ours(zone: Zone, ip: str, host: str) -> Spf:
    """Check as we do."""
    return asyncio.run(spf.check_host(ip, host, f"ann@{host}", SuiteZone(zone), helo="d0.example"))


def theirs(zone: Zone, ip: str, host: str) -> tuple[str, Any]:
    """Check as pyspf does; its query tells more."""

    def look_up(name: str, kind: str, *_: object) -> list[tuple[tuple[str, str], Any]]:
        entries = zone.get(name.lower())
        found = [e[kind] for e in entries or () if isinstance(e, dict) and kind in e]
        if not found and "TIMEOUT" in (entries or ()):
            raise pyspf.TempError("DNS timeout")
        if kind == "TXT":
            found = [(text.encode(),) for text in found]
        return [((name, kind), value) for value in found]

    kept, pyspf.DNSLookup = pyspf.DNSLookup, look_up
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            query = pyspf.query(i=ip, s=f"ann@{host}", h="d0.example", timeout=20, querytime=20)
            return query.check()[0], query
    finally:
        pyspf.DNSLookup = kept


def _said(query: Any, words: str) -> bool:
    return words in str(query.perm_error)


def _differs_by_exchangers(found: Spf, result: str, _: Any) -> bool:
    is_temporary = Result.TEMPERROR in {found.result, Result(result)}
    return is_temporary and any("mx" in step.term.lower() for step in found.steps)


def _differs_by_ptr(found: Spf, result: str, _: Any) -> bool:
    return result == "temperror" and any("ptr" in step.term.lower() for step in found.steps)


_EXPLAINED: Final[dict[str, Callable[[Spf, str, Any], bool]]] = {
    "pyspf counts each empty answer as void, those of exchangers' addresses and those that it"
    " asks for again included; RFC 7208 §4.6.4 counts terms": lambda _found, _result, query: _said(
        query, "Void lookup limit"
    ),
    "pyspf refuses a record that includes itself when it reads it, we when we come to the"
    " include": lambda _found, _result, query: _said(query, "trivial recursion"),
    "exchangers of one preference have no order: whose time-out is met depends on it": (
        _differs_by_exchangers
    ),
    "a name of the client whose addresses time out is passed over by us (RFC 7208 §5.5), and"
    " temperror for pyspf": _differs_by_ptr,
}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(zone=zones(), ip=ADDRESSES, host=st.sampled_from(HOSTS))
def test_the_two_agree_or_the_difference_is_explained(zone: Zone, ip: str, host: str) -> None:
    """The same client, zone and record give the same result."""
    found = ours(zone, ip, host)
    result, query = theirs(zone, ip, host)
    if found.result.value == result:
        return
    reasons = [why for why, holds in _EXPLAINED.items() if holds(found, result, query)]
    assert reasons, f"we say {found.result.value} ({found.reason}), pyspf says {result}"
