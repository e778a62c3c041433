"""The native API of the sandbox, against a real one."""

from __future__ import annotations

import hashlib
import http.client
import json
import smtplib
import threading
import time
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from fastapi import Request
from tests.web_sandbox import (
    PREFIX,
    RunningSandbox,
    make_message,
    sandbox_web,
    web,
    whole_sandbox,
)

from pillarbox.config.settings import SandboxSettings
from pillarbox.web.routing import Router


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningSandbox]:
    with sandbox_web() as running:
        yield running


@pytest.fixture
def sandbox(shared: RunningSandbox) -> RunningSandbox:
    shared.ask("DELETE", f"{PREFIX}/messages?all=true")
    shared.ask("DELETE", f"{PREFIX}/failures")
    return shared


def test_mail_is_listed_newest_first_and_page_by_page(sandbox: RunningSandbox) -> None:
    """Pages follow one another by ``next``, without a gap."""
    ids = [sandbox.send(subject=f"Number {number}") for number in range(5)]
    first = sandbox.get(f"{PREFIX}/messages?limit=2").json
    assert [row["subject"] for row in first["data"]] == ["Number 4", "Number 3"]
    assert (first["total"], first["has_more"]) == (5, True)
    second = sandbox.get(f"{PREFIX}/messages?limit=3&before={first['next']}").json
    assert [row["id"] for row in second["data"]] == ids[2::-1]
    assert (second["has_more"], second["next"]) == (False, None)
    assert sandbox.get(f"{PREFIX}/messages?start=4").json["data"][0]["id"] == ids[0]


def test_a_row_says_who_wrote_to_whom(sandbox: RunningSandbox) -> None:
    """A row has the people, the envelope, and the session that brought it."""
    sandbox.send(to="bo@example.com, hidden+x@example.com", subject="Grüße")
    row = sandbox.get(f"{PREFIX}/messages").json["data"][0]
    assert row["from"] == {"address": "ann@example.com", "name": "Ann Example"}
    assert [person["address"] for person in row["to"]] == ["bo@example.com", "hidden+x@example.com"]
    assert row["envelope"] == {
        "sender": "ann@example.com",
        "recipients": ["bo@example.com", "hidden+x@example.com"],
    }
    assert row["subject"] == "Grüße"
    assert row["client"] == "127.0.0.1"
    assert row["session"]
    assert row["is_read"] is False


def test_a_search_finds_and_an_unknown_word_is_explained(sandbox: RunningSandbox) -> None:
    """The search language is the same everywhere, and says what it does not know."""
    sandbox.send(to="bo@example.com", subject="One")
    sandbox.send(to="cy@example.com", subject="Two")
    found = sandbox.get(f"{PREFIX}/messages?query={quote('to:cy subject:two')}").json
    assert [row["subject"] for row in found["data"]] == ["Two"]
    problem = sandbox.get(f"{PREFIX}/messages?query=form:ann")
    assert problem.status == 422
    assert "from:" in problem.json["detail"]


def test_a_mail_is_read_whole(sandbox: RunningSandbox) -> None:
    """Texts, attachments with digests, links and codes are in one answer."""
    message = make_message(
        text="Your code is 481516. https://example.com/start",
        html='<p>Your code is 481516. <a href="https://example.com/start">Start</a>',
        List_Unsubscribe="<https://example.com/leave>",
    )
    message.add_attachment(b"%PDF-1.7", maintype="application", subtype="pdf", filename="bill.pdf")
    shown = sandbox.send_message(message)
    mail = sandbox.get(f"{PREFIX}/messages/{shown}").json
    assert "481516" in mail["text"]
    assert mail["html"].startswith("<p>")
    assert mail["codes"] == ["481516"]
    assert {"https://example.com/start"} == {link["url"] for link in mail["links"]}
    (part,) = mail["parts"]
    assert (part["filename"], part["media_type"], part["size"]) == (
        "bill.pdf",
        "application/pdf",
        8,
    )
    assert part["md5"] == hashlib.md5(b"%PDF-1.7", usedforsecurity=False).hexdigest()
    assert part["sha256"] == hashlib.sha256(b"%PDF-1.7").hexdigest()
    content = sandbox.get(f"{PREFIX}/messages/{shown}/parts/{part['number']}")
    assert content.body == b"%PDF-1.7"
    assert content.headers["content-disposition"] == 'attachment; filename="bill.pdf"'
    assert sandbox.get(f"{PREFIX}/messages/latest/codes").json == {"codes": ["481516"]}
    assert sandbox.get(f"{PREFIX}/messages/latest/links").json["links"]
    assert sandbox.get(f"{PREFIX}/messages/{shown}/parts/99").status == 404


def test_the_sources_of_a_mail_come_as_text_and_files(sandbox: RunningSandbox) -> None:
    """Raw, text and HTML source; none of them is a page in our origin."""
    shown = sandbox.send(html="<script>alert(1)</script>", text="plain")
    raw = sandbox.get(f"{PREFIX}/messages/{shown}/raw")
    assert raw.headers["content-type"] == "message/rfc822"
    assert raw.headers["content-disposition"] == f'attachment; filename="{shown}.eml"'
    assert b"Subject: Welcome" in raw.body
    html = sandbox.get(f"{PREFIX}/messages/{shown}/html")
    assert html.headers["content-type"].startswith("text/plain")
    assert "<script>" in html.text
    assert sandbox.get(f"{PREFIX}/messages/{shown}/text").text.strip() == "plain"


def test_the_header_is_explained_and_the_tree_shown(sandbox: RunningSandbox) -> None:
    """Fields come in their order with what they are for; parts come nested."""
    shown = sandbox.send(html="<b>x</b>", Message_ID="<m1@example.com>")
    fields = sandbox.get(f"{PREFIX}/messages/{shown}/headers").json
    assert fields[0]["name"] == "Received"
    assert all(field["what"] for field in fields if field["name"] in {"From", "Message-ID"})
    tree = sandbox.get(f"{PREFIX}/messages/{shown}/tree").json
    assert tree["media_type"] == "multipart/alternative"
    assert [child["media_type"] for child in tree["children"]] == ["text/plain", "text/html"]


def test_the_session_is_shown_line_by_line(sandbox: RunningSandbox) -> None:
    """Both sides are there, with a note for beginners."""
    shown = sandbox.send()
    session = sandbox.get(f"{PREFIX}/messages/{shown}/session").json
    assert {"C", "S"} <= {line["direction"] for line in session["lines"]}
    assert any(
        line["text"].lower().startswith("mail from:<ann@example.com>") for line in session["lines"]
    )
    assert session["lines"][0]["note"]


def test_a_mail_that_is_there_is_not_waited_for(sandbox: RunningSandbox) -> None:
    """Wait returns at once what a search finds already."""
    sandbox.send(subject="Already here")
    begin = time.monotonic()
    answer = sandbox.get(f"{PREFIX}/messages/wait?query=subject:already&timeout=30")
    assert answer.json["subject"] == "Already here"
    assert time.monotonic() - begin < 20


def test_a_mail_that_comes_ends_the_wait(sandbox: RunningSandbox) -> None:
    """Wait returns as soon as the mail is there, and not before; others do not count."""
    old = sandbox.send(to="new@example.com", subject="Old")
    timer = threading.Timer(
        0.15,
        lambda: (
            sandbox.send(to="cy@example.com"),
            sandbox.send(to="new@example.com", subject="New"),
        ),
    )
    timer.start()
    answer = sandbox.get(f"{PREFIX}/messages/wait?query=to:new&timeout=20&after={old}")
    timer.join()
    assert answer.json["subject"] == "New"


def test_a_wait_that_is_over_says_what_is_there_instead(sandbox: RunningSandbox) -> None:
    """408 names the newest mails, because that is what one looks for next."""
    sandbox.send(to="other@example.com", subject="Something else")
    answer = sandbox.get(f"{PREFIX}/messages/wait?query=to:nobody&timeout=0.05")
    assert answer.status == 408
    assert "Something else" in answer.json["hint"]
    assert "found by `bcc:`" in answer.json["hint"]  # where a test has looked in the wrong field
    assert "to:nobody" in answer.json["detail"]


def test_expectations_of_a_header_are_checked(sandbox: RunningSandbox) -> None:
    """Each says whether it passed, what was found, and what is wrong."""
    shown = sandbox.send(subject="Invoice 7", X_Kind="bill")
    wanted = [
        {"name": "Subject", "equals": "Invoice 7"},
        {"name": "subject", "contains": "voice"},
        {"name": "X-Kind", "present": True},
        {"name": "X-Spam", "absent": True},
        {"name": "X-Kind", "equals": "letter"},
        {"name": "List-Unsubscribe", "present": True},
        {"name": "From", "absent": True},
    ]
    verdict = sandbox.ask("POST", f"{PREFIX}/messages/{shown}/assertions", {"headers": wanted}).json
    assert [result["passed"] for result in verdict["results"]] == [True] * 4 + [False] * 3
    assert verdict["passed"] is False
    assert verdict["results"][4]["found"] == ["bill"]
    assert all(result["why"] for result in verdict["results"][4:])


def test_many_mails_are_marked_and_tagged_at_once(sandbox: RunningSandbox) -> None:
    """By ids, by a search or all of them; one has to be said."""
    ids = [sandbox.send(subject=f"Batch {number}") for number in range(3)]
    change = {"query": "subject:batch is:unread", "is_read": True, "add_tags": ["seen"]}
    assert sorted(sandbox.ask("PATCH", f"{PREFIX}/messages", change).json["changed"]) == ids
    assert sandbox.get(f"{PREFIX}/tags").json == [{"tag": "seen", "count": 3}]
    sandbox.ask("PATCH", f"{PREFIX}/messages", {"ids": ids[:1], "tags": ["one", "two"]})
    assert sorted(sandbox.get(f"{PREFIX}/messages/{ids[0]}").json["tags"]) == ["one", "two"]
    sandbox.ask("PATCH", f"{PREFIX}/messages", {"all": True, "remove_tags": ["seen"]})
    assert {row["tag"] for row in sandbox.get(f"{PREFIX}/tags").json} == {"one", "two"}
    for unclear in ({}, {"all": True, "ids": ids}, {"query": " "}):
        answer = sandbox.ask("PATCH", f"{PREFIX}/messages", {**unclear, "is_read": True})
        assert answer.status == 422


def test_one_mail_is_marked_tagged_and_removed(sandbox: RunningSandbox) -> None:
    """PATCH returns the mail as it is then; DELETE the way back."""
    shown = sandbox.send()
    changed = sandbox.ask(
        "PATCH", f"{PREFIX}/messages/{shown}", {"is_read": True, "tags": ["x"]}
    ).json
    assert (changed["is_read"], changed["tags"]) == (True, ["x"])
    undo = sandbox.ask("DELETE", f"{PREFIX}/messages/{shown}").json["undo"]
    assert sandbox.get(f"{PREFIX}/messages/{shown}").status == 404
    assert sandbox.ask("POST", f"{PREFIX}/messages/restore", {"undo": undo}).json["ids"] == [shown]
    assert sandbox.get(f"{PREFIX}/messages/{shown}?mark_read=true").status == 200


def test_mail_is_removed_by_a_search_and_comes_back(sandbox: RunningSandbox) -> None:
    """Removing says what went; an undo brings it back; nothing goes unless it is said."""
    keep = sandbox.send(subject="Keep")
    gone = sandbox.send(subject="Gone")
    assert sandbox.ask("DELETE", f"{PREFIX}/messages").status == 422
    removal = sandbox.ask("DELETE", f"{PREFIX}/messages?query=subject:gone").json
    assert (removal["removed"], removal["ids"]) == (1, [gone])
    assert [row["id"] for row in sandbox.get(f"{PREFIX}/messages").json["data"]] == [keep]
    sandbox.ask("POST", f"{PREFIX}/messages/restore", {"undo": removal["undo"]})
    assert sandbox.get(f"{PREFIX}/messages").json["total"] == 2
    removal = sandbox.ask("DELETE", f"{PREFIX}/messages?id={keep}&id=nonsense").json
    assert removal["ids"] == [keep]


def test_tags_are_renamed_and_removed(sandbox: RunningSandbox) -> None:
    """Everywhere at once."""
    shown = sandbox.send()
    sandbox.ask("PATCH", f"{PREFIX}/messages/{shown}", {"tags": ["old"]})
    assert sandbox.ask("PUT", f"{PREFIX}/tags/old", {"name": "new"}).json == {"messages": 1}
    assert sandbox.get(f"{PREFIX}/messages/{shown}").json["tags"] == ["new"]
    assert sandbox.ask("DELETE", f"{PREFIX}/tags/new").json == {"messages": 1}
    assert sandbox.get(f"{PREFIX}/tags").json == []


def test_mail_goes_in_and_out_as_files(sandbox: RunningSandbox) -> None:
    """One mail, or an mbox of them; what goes out can come in again."""
    octets = make_message(subject="From a file").as_bytes()
    kind = {"Content-Type": "message/rfc822"}
    answer = sandbox.ask("POST", f"{PREFIX}/messages?recipient=zoe@example.com", octets, kind).json
    mail = sandbox.get(f"{PREFIX}/messages/{answer['ids'][0]}").json
    assert mail["envelope"]["recipients"] == ["zoe@example.com"]
    sandbox.send(subject="Second", text="From here on\n\nFrom a line that mbox quotes")
    dumped = sandbox.get(f"{PREFIX}/dump")
    assert dumped.headers["content-type"] == "application/mbox"
    back = sandbox.ask(
        "POST", f"{PREFIX}/messages", dumped.body, {"Content-Type": "application/mbox"}
    ).json
    assert (len(back["ids"]), back["refused"]) == (2, [])
    newest = sandbox.get(f"{PREFIX}/messages?limit=2").json["data"]
    assert [each["subject"] for each in newest] == ["Second", "From a file"]  # as before
    assert (
        "From a line that mbox quotes"
        in sandbox.get(f"{PREFIX}/messages?query=subject:second&limit=1").json["data"][0]["snippet"]
    )
    assert (
        sandbox.ask("POST", f"{PREFIX}/messages", b"x", {"Content-Type": "text/csv"}).status == 415
    )


def test_projects_are_made_changed_and_removed(sandbox: RunningSandbox) -> None:
    """A project takes the mail of its users; secrets are never shown."""
    made = sandbox.ask(
        "PUT",
        f"{PREFIX}/projects/shop",
        {"users": ["shop"], "webhook_secret": "", "cap": {"messages": 10}},
    ).json
    assert (made["name"], made["users"], made["cap"]["messages"]) == ("shop", ["shop"], 10)
    assert "password" not in made
    shown = sandbox.send_message(make_message(), user="shop")
    assert sandbox.get(f"{PREFIX}/messages/{shown}").json["project"] == "shop"
    assert sandbox.get(f"{PREFIX}/projects/shop").json["messages"] == 1
    assert "shop" in {row["name"] for row in sandbox.get(f"{PREFIX}/projects").json}
    assert sandbox.ask("DELETE", f"{PREFIX}/projects/shop").status == 204
    assert sandbox.get(f"{PREFIX}/projects/shop").status == 404
    assert sandbox.ask("PUT", f"{PREFIX}/projects/Not-A-Name", {}).status == 422


def test_rules_fail_on_purpose_and_count(sandbox: RunningSandbox) -> None:
    """A rule set by the API is obeyed by SMTP, and says how often."""
    rule = sandbox.ask(
        "POST",
        f"{PREFIX}/failures",
        {"stage": "rcpt", "recipient": "late@*", "code": 451, "count": 1},
    )
    assert rule.status == 201
    name = rule.json["id"]
    with pytest.raises(smtplib.SMTPDataError):
        sandbox.send(to="late@example.com")
    state = sandbox.get(f"{PREFIX}/failures/{name}").json
    assert (state["acted"], state["is_spent"]) == (1, True)
    sandbox.send(to="late@example.com")
    written = sandbox.ask(
        "PUT", f"{PREFIX}/failures/mine", {"stage": "mail", "code": 550, "sender": "x@*"}
    )
    assert written.json["id"] == "mine"
    assert {row["id"] for row in sandbox.get(f"{PREFIX}/failures").json} == {name, "mine"}
    assert sandbox.ask("DELETE", f"{PREFIX}/failures/mine").status == 204
    assert sandbox.get(f"{PREFIX}/failures/mine").status == 404
    invalid = sandbox.ask(
        "POST", f"{PREFIX}/failures", {"stage": "connect", "recipient": "a@b", "code": 421}
    )
    assert invalid.status == 422
    assert invalid.json["errors"][0]["field"] == "recipient"


def test_the_next_recipient_fails_once(sandbox: RunningSandbox) -> None:
    """A rule for once is gone when it has acted."""
    once = sandbox.ask("POST", f"{PREFIX}/failures/next", {"code": 552})
    assert once.json["is_temporary"] is True
    with pytest.raises(smtplib.SMTPDataError):
        sandbox.send()
    sandbox.send()
    assert sandbox.get(f"{PREFIX}/failures").json == []


def test_the_sandbox_says_what_it_is(sandbox: RunningSandbox) -> None:
    """Addresses, bounds and totals."""
    sandbox.send()
    info = sandbox.get(f"{PREFIX}/info").json
    assert info["addresses"]["smtp"]
    assert info["messages"] == 1
    assert info["caught"] >= 1
    assert info["can_release"] is False


def test_probes_and_numbers_answer(sandbox: RunningSandbox) -> None:
    """Health for any host, numbers by our names and by Mailpit's."""
    sandbox.send()
    for path in ("/livez", "/readyz"):
        answer = sandbox.get(path, Host="probe.example")
        assert (answer.status, answer.json) == (200, {"status": "ok"})
    text = sandbox.get("/metrics").text
    for name in (
        "pillarbox_sandbox_messages 1.0",
        "mailpit_messages 1.0",
        "mailpit_smtp_accepted_total",
        "pillarbox_build_info{",
        'pillarbox_smtp_messages_total{listener="sandbox",result="caught"}',
        "pillarbox_http_requests_total{",
    ):
        assert name in text, name
    assert "example.com" not in text


def test_live_events_tell_of_mail_and_go_on_where_they_were(sandbox: RunningSandbox) -> None:
    """A stream that was cut off is told what it missed, and one that is too old to look anew."""

    def listen(last: str = "") -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=10)
        headers = {"Host": "localhost", "Accept": "text/event-stream"}
        connection.request("GET", f"{PREFIX}/events", headers={**headers, "Last-Event-ID": last})
        return connection, connection.getresponse()

    connection, stream = listen()
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert stream.readline().startswith(b"retry:")
    shown = sandbox.send(subject="Live")
    event = _next_event(stream)
    assert event["event"] == "new"
    assert json.loads(event["data"])["messages"][0]["id"] == shown
    connection.close()
    missed = sandbox.send(subject="Missed")
    connection, stream = listen(event["id"])
    again = _next_event(stream)
    assert json.loads(again["data"])["ids"] == [missed]
    connection.close()
    connection, stream = listen("00000000-1")
    assert _next_event(stream)["event"] == "reload"
    connection.close()


def _next_event(stream: http.client.HTTPResponse) -> dict[str, str]:
    event: dict[str, str] = {}
    while True:
        line = stream.readline().decode().rstrip("\n")
        if not line and event.get("data"):
            return event
        name, _, value = line.partition(": ")
        if name in {"event", "id", "data"}:
            event[name] = value


def test_the_document_describes_every_route(sandbox: RunningSandbox) -> None:
    """Each operation has a summary, a description and a name of its own; the page shows all."""
    document = sandbox.get("/openapi.json").json
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    assert all(operation["summary"] and operation["description"] for operation in operations)
    assert document["servers"] == [{"url": "/"}]
    page = sandbox.get("/api/docs")
    assert page.status == 200
    assert "https://" not in page.text.replace("https://example.com", "").partition("<main")[0]
    for path in document["paths"]:
        assert path in page.text


def test_bad_values_are_refused_with_the_field(sandbox: RunningSandbox) -> None:
    """Paging and ids at and beyond their ends give clear answers."""
    for query in (
        "limit=0",
        "limit=501",
        "limit=x",
        "start=-1",
        "start=99999999999",
        "before=nope",
        "project=" + "x" * 64,
        "query=" + "x" * 1001,
    ):
        assert sandbox.get(f"{PREFIX}/messages?{query}").status in {404, 422}, query
    for shown in ("nope", "0" * 13, "..%2f..%2fetc%2fpasswd", "%00", "x" * 100, "%F0%9F%92%A9"):
        assert sandbox.get(f"{PREFIX}/messages/{shown}").status in {404, 422}, shown
    assert sandbox.ask("PATCH", f"{PREFIX}/messages", {"all": True, "color": "red"}).status == 422
    assert not sandbox.defects


def test_a_mail_is_judged(sandbox: RunningSandbox) -> None:
    """Findings say what, why and how to mend it; the score is their sum; nobody is asked outside."""
    shown = sandbox.send(html="<p>Hello {{name}}<marquee>x</marquee>", subject="Hi")
    report = sandbox.get(f"{PREFIX}/messages/{shown}/findings").json
    assert 0 <= report["score"] <= 10
    assert report["arithmetic"].startswith("10")
    assert report["links"] is None
    findings = report["findings"]
    assert {"error", "warning", "note"} & {finding["level"] for finding in findings}
    bad = [finding for finding in findings if finding["level"] in {"error", "warning"}]
    assert all(f["code"] and f["what"] and f["aspect"] for f in bad)
    assert report["clients"]
    checked = sandbox.get(f"/api/v1/message/{shown}/html-check").json
    assert list(checked) == ["Warnings", "Platforms", "Total"]
    assert {result["Support"] for w in checked["Warnings"] for result in w["Results"]} <= {
        "yes",
        "partial",
        "no",
    }


def test_nothing_leaves_unless_a_relay_is_configured(sandbox: RunningSandbox) -> None:
    """Releasing says what is missing, and the list says that it is off."""
    shown = sandbox.send()
    assert sandbox.get(f"{PREFIX}/releases").json["is_on"] is False
    body = {"recipients": ["real@example.com"]}
    answer = sandbox.ask("POST", f"{PREFIX}/messages/{shown}/release", body)
    assert answer.status == 422
    assert "relay" in answer.json["detail"].lower()


def test_a_webhook_is_listed_tried_and_told_of_mail() -> None:
    """The receiver of a project gets a test and new mail, and each delivery can be looked at."""
    got: list[dict[str, object]] = []
    receiver = Router()

    @receiver.post("/hook")
    async def hook(request: Request) -> dict[str, str]:
        got.append(await request.json())
        return {"thanks": "yes"}

    settings = SandboxSettings(smtp=("127.0.0.1:0",), http=("127.0.0.1:0",), pop3=())
    with web(receiver) as there, whole_sandbox(settings) as sandbox:
        url = f"{there.base}/hook"
        sandbox.ask("PUT", f"{PREFIX}/projects/shop", {"users": ["shop"], "webhook": url})
        (listed,) = sandbox.get(f"{PREFIX}/webhooks").json
        assert (listed["url"], listed["project"], listed["is_disabled"]) == (url, "shop", False)
        tried = sandbox.ask("POST", f"{PREFIX}/webhooks/{quote(listed['name'])}/test").json
        assert (tried["status"], tried["problem"]) == (200, "")
        shown = sandbox.send_message(make_message(), user="shop")
        deadline = time.monotonic() + 10
        while len(got) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        deliveries = sandbox.get(f"{PREFIX}/webhooks/deliveries").json
        assert [each["message"] for each in deliveries] == [shown, None]
        again = sandbox.ask("POST", f"{PREFIX}/webhooks/deliveries/{deliveries[0]['id']}/replay")
        assert again.json["status"] == 200
        assert sandbox.ask("POST", f"{PREFIX}/webhooks/nobody/test").status == 404
        assert sandbox.get(f"{PREFIX}/webhooks/nobody/secret").status == 404
    assert len(got) == 3


def test_a_file_without_mail_is_refused(sandbox: RunningSandbox) -> None:
    """What has no separator line has no mail, and that is said."""
    answer = sandbox.ask(
        "POST", f"{PREFIX}/messages", b"no mail\n" * 10, {"Content-Type": "application/mbox"}
    )
    assert answer.status == 422
    assert "no messages in this file" in answer.json["detail"]
