"""The ledger proves itself: it must find what a bad server loses."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.ledger.book import Book, make_message
from tests.ledger.campaign import SINK_PORT, Campaign, run
from tests.loopback import own_address
from tests.node_process import SMTP_PORT, NodeProcess

LEAKY = Path(__file__).with_name("leaky_server.py")


def test_a_server_that_acknowledges_too_early_is_found_out(tmp_path: Path) -> None:
    """Killing a server that says 250 before it writes loses mail, and the ledger sees it."""
    sink, address = own_address(), own_address()
    node = NodeProcess(
        tmp_path,
        config="",
        address=address,
        command=(sys.executable, str(LEAKY), address, str(SMTP_PORT), sink, str(SINK_PORT)),
    )
    verdict = asyncio.run(run(Campaign(kills=2, shortest=0.4, longest=0.6, drain=1.0), node, sink))
    assert verdict.acknowledged > 10
    assert verdict.lost, str(verdict)
    assert not verdict.corrupt, str(verdict)


def test_a_changed_body_is_corrupt() -> None:
    """One changed octet is a corrupt message."""
    book = Book()
    content, digest = make_message("1-1", 500)
    book.sent["1-1"] = digest
    book.arrive(content[:-3] + b"?" + content[-2:], is_dsn=False)
    assert book.verdict().corrupt == ("1-1",)


def test_a_second_copy_needs_an_excuse() -> None:
    """Two copies are a defect, unless a kill came right after the first one."""
    book = Book()
    content, book.sent["1-1"] = make_message("1-1", 500)
    book.arrive(content, is_dsn=False)
    book.arrive(content, is_dsn=False)
    assert book.verdict().doubled == ("1-1",)
    book.kills.append(book.arrivals["1-1"][0].at + 0.1)
    assert book.verdict().excused == 1
    assert not book.verdict().doubled


def test_what_nobody_sent_is_a_ghost() -> None:
    """A message that the injector never sent is counted."""
    book = Book()
    book.arrive(make_message("1-2", 500)[0], is_dsn=False)
    book.arrive(b"Subject: no mark\r\n\r\n", is_dsn=False)
    assert len(book.verdict().ghosts) == 2


def test_a_notification_settles_its_message() -> None:
    """A message of which the sender was told that it failed is not lost."""
    book = Book()
    content, book.sent["1-3"] = make_message("1-3", 500)
    book.acknowledged["1-3"] = 0.0
    assert book.verdict().lost == ("1-3",)
    book.arrive(b"Subject: failed\r\n\r\n--x\r\n\r\n" + content, is_dsn=True)
    verdict = book.verdict()
    assert verdict.is_good
    assert verdict.bounced == 1
