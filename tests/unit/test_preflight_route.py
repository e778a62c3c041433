"""The way a mail came is read from the Received fields of many servers."""

from __future__ import annotations

import pytest

from pillarbox.message.header import scan_header
from pillarbox.preflight.route import Hop, client_of, read_route


def route(*fields: str) -> tuple[Hop, ...]:
    """Return the hops of a header with these fields, the topmost first."""
    lines = "".join(f"Received: {field}\r\n" for field in fields)
    return read_route(scan_header(f"{lines}\r\n".encode()))


_POSTFIX = (
    "from mail.sender.net (mail.sender.net [8.8.4.4])\r\n\t(using TLSv1.3 with cipher "
    "TLS_AES_256_GCM_SHA384 (256/256 bits)\r\n\t key-exchange X25519)\r\n\t(No client certificate "
    "requested)\r\n\tby mx.reader.net (Postfix) with ESMTPS id 4D6C21\r\n\tfor <ann@reader.net>; "
    "Sat, 21 Nov 2026 10:00:05 +0000 (UTC)"
)
_GOOGLE = (
    "from mail-sor-f41.google.com (mail-sor-f41.google.com. [209.85.220.41])\r\n        by "
    "mx.google.com with SMTPS id a1sor2\r\n        for <ann@gmail.com>\r\n        (Google Transport "
    "Security);\r\n        Sat, 21 Nov 2026 02:00:05 -0800 (PST)"
)
_EXCHANGE = (
    "from AM0PR01.prod.exchangelabs.com (2603:10a6:208::1)\r\n by VI1PR01.prod.exchangelabs.com with "
    "Microsoft SMTP\r\n Server (version=TLS1_2, cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id "
    "15.20.3; Sat, 21\r\n Nov 2026 10:00:05 +0000"
)
_EXIM = (
    "from [198.51.100.9] (helo=laptop)\r\n\tby mail.sender.net with esmtpsa (TLS1.3) "
    "tls TLS_AES_128_GCM_SHA256\r\n\t(Exim 4.97)\r\n\tid 1abc-0001; Sat, 21 Nov 2026 10:00:05 +0000"
)


@pytest.mark.parametrize(
    ("field", "client", "address", "server", "protocol", "version"),
    [
        (_POSTFIX, "mail.sender.net", "8.8.4.4", "mx.reader.net", "ESMTPS", "TLS 1.3"),
        (_GOOGLE, "mail-sor-f41.google.com", "209.85.220.41", "mx.google.com", "SMTPS", ""),
        (
            _EXCHANGE,
            "AM0PR01.prod.exchangelabs.com",
            "2603:10a6:208::1",
            "VI1PR01.prod.exchangelabs.com",
            "Microsoft",
            "TLS 1.2",
        ),
        (_EXIM, "[198.51.100.9]", "198.51.100.9", "mail.sender.net", "esmtpsa", "TLS 1.3"),
    ],
    ids=["Postfix", "Google", "Exchange", "Exim"],
)
def test_fields_of_well_known_servers_are_read(
    field: str, client: str, address: str, server: str, protocol: str, version: str
) -> None:
    """Client, address, server, protocol and TLS stand where each server puts them."""
    (hop,) = route(field)

    assert (hop.client, hop.address, hop.server) == (client, address, server)
    assert (hop.protocol, hop.protection.version) == (protocol, version)
    assert hop.protection.is_encrypted
    assert hop.at == 1_795_255_205.0


def test_delays_are_the_differences_of_the_servers_clocks() -> None:
    """The first hop stands below; clocks that differ make a negative delay."""
    hops = route(
        "by c.net; Sat, 21 Nov 2026 09:59:00 +0000",
        "by b.net; Sat, 21 Nov 2026 11:00:00 +0100",
        "by a.net",
        "by z.net; Sat, 21 Nov 2026 09:58:00 +0000",
    )

    assert [hop.server for hop in hops] == ["z.net", "a.net", "b.net", "c.net"]
    assert [hop.delay for hop in hops] == [None, None, 120.0, -60.0]


def test_a_transfer_in_the_clear_is_told_from_one_that_does_not_say() -> None:
    """ESMTP says that there was no TLS; a program on the machine says nothing of it."""
    hops = route(
        "from a.net (a.net [8.8.8.8]) by b.net with ESMTP id 1; Sat, 21 Nov 2026 10:00:00 +0000",
        "by a.net (Postfix, from userid 0) id 2; Sat, 21 Nov 2026 10:00:00 +0000",
    )

    assert [hop.protection.is_encrypted for hop in hops] == [None, False]
    assert [hop.is_local for hop in hops] == [True, False]


def test_who_logged_in_is_told_by_the_protocol() -> None:
    """RFC 3848: an A behind the protocol stands for AUTH."""
    assert route(_EXIM)[0].is_authenticated
    assert not route(_POSTFIX)[0].is_authenticated


def test_the_client_is_the_last_one_from_outside() -> None:
    """Hops within the receiver's own network are passed over."""
    hops = route(
        "from mx.reader.net ([10.0.0.5]) by store.reader.net with LMTP; Sat, 21 Nov 2026 10:00:07 +0000",
        _POSTFIX,
        _EXIM,
    )
    client = client_of(hops)

    assert client is not None
    assert client.address == "8.8.4.4"
    assert client_of(route("by a.net; Sat, 21 Nov 2026 10:00:00 +0000")) is None
