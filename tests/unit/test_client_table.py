"""How many connections a client may have."""

from __future__ import annotations

from pillarbox.receive.clients import ClientTable, client_key, plain_address


def test_a_client_is_an_ipv4_address_or_an_ipv6_prefix() -> None:
    """All addresses of a /64 are one client; IPv4 inside IPv6 is IPv4."""
    assert client_key("192.0.2.1") != client_key("192.0.2.2")
    assert client_key("2001:db8::1") == client_key("2001:db8::ffff:2")
    assert client_key("2001:db8::1") != client_key("2001:db8:0:1::1")
    assert plain_address("::ffff:192.0.2.1") == "192.0.2.1"
    assert plain_address("fe80::1%eth0") == "fe80::1"


def test_open_connections_are_limited_until_some_are_closed() -> None:
    """The connection over the limit is refused, and one that ends makes room."""
    table = ClientTable(most_open=2, rate=1000)
    assert table.admit("a", 0.0) == ""
    assert table.admit("a", 0.0) == ""
    assert table.admit("a", 0.0) == "too many connections"
    assert table.admit("b", 0.0) == ""
    table.release("a")
    assert table.admit("a", 0.0) == ""


def test_new_connections_are_limited_by_the_minute() -> None:
    """A burst up to the rate is let in, and after it one for each that has leaked away."""
    table = ClientTable(most_open=1000, rate=60)
    assert [table.admit("a", 0.0) for _ in range(61)].count("") == 60
    assert table.admit("a", 0.5) == "too many new connections"
    assert table.admit("a", 1.1) == ""
    assert table.admit("a", 1.2) == "too many new connections"
    assert [table.admit("a", 120.0) for _ in range(60)].count("") == 60


def test_the_table_stays_small_in_a_flood_of_addresses() -> None:
    """Who is forgotten is quiet; clients with open connections stay counted."""
    table = ClientTable(most_open=1, rate=1000, size=100)
    for number in range(50):
        table.admit(f"open {number}", 0.0)
    for number in range(10_000):
        table.admit(f"flood {number}", 0.0)
        table.release(f"flood {number}")
    assert len(table) <= 150
    assert all(table.admit(f"open {number}", 1.0) for number in range(50))


def test_limits_can_change_while_connections_are_open() -> None:
    """A lower limit refuses new connections and leaves those that are open."""
    table = ClientTable(most_open=5, rate=1000)
    for _ in range(3):
        assert table.admit("a", 0.0) == ""
    table.limit(most_open=2, rate=1000)
    assert table.admit("a", 0.0) != ""
    table.release("a")
    table.release("a")
    assert table.admit("a", 0.0) == ""
