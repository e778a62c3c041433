"""Mailpit's API, and MailHog's, as their documents and sources have them."""

from __future__ import annotations

import base64
import json
import struct
import threading
from collections.abc import Iterator

import pytest
from tests.web_sandbox import RunningSandbox, make_message, sandbox_web
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

API = "/api/v1"
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SUMMARY = [
    "ID", "MessageID", "Read", "From", "To", "Cc", "Bcc", "ReplyTo", "Subject", "Created",
    "Username", "Tags", "Size", "Attachments", "Snippet",
]  # fmt: skip
MESSAGE = [
    "ID", "MessageID", "Read", "From", "To", "Cc", "Bcc", "ReplyTo", "ReturnPath", "Subject",
    "ListUnsubscribe", "Date", "Tags", "Username", "Text", "HTML", "Size", "Inline", "Attachments",
]  # fmt: skip


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningSandbox]:
    with sandbox_web() as running:
        yield running


@pytest.fixture
def sandbox(shared: RunningSandbox) -> RunningSandbox:
    assert shared.ask("DELETE", f"{API}/messages").text == "ok"
    shared.ask("PUT", f"{API}/chaos", {})
    return shared


def test_the_list_has_mailpits_members(sandbox: RunningSandbox) -> None:
    """Lower case around, PascalCase in the rows, in Mailpit's spelling."""
    sandbox.send(subject="One")
    sandbox.send(subject="Two")
    listed = sandbox.get(f"{API}/messages?limit=1").json
    assert list(listed) == [
        "total", "unread", "count", "messages_count", "messages_unread", "start", "tags", "messages",
    ]  # fmt: skip
    assert (listed["total"], listed["count"], listed["messages_count"]) == (2, 1, 2)
    (row,) = listed["messages"]
    assert list(row) == SUMMARY
    assert row["Subject"] == "Two"
    assert row["From"] == {"Name": "Ann Example", "Address": "ann@example.com"}
    assert row["Created"].endswith("Z")
    assert sandbox.get(f"{API}/messages?start=1&limit=x").json["messages"][0]["Subject"] == "One"


def test_a_message_has_mailpits_members_and_is_read_then(sandbox: RunningSandbox) -> None:
    """Reading marks as read; attachments have digests; List-Unsubscribe is looked at."""
    message = make_message(
        html='<img src="cid:logo"><p>Hello',
        List_Unsubscribe="<https://example.com/u>, <mailto:u@example.com>",
        List_Unsubscribe_Post="List-Unsubscribe=One-Click",
        Message_ID="<m7@example.com>",
        Date="Sat, 21 Nov 2026 10:00:00 +0000",
    )
    message.get_payload()[1].add_related(PIXEL, maintype="image", subtype="png", cid="<logo>")
    message.add_attachment(b"a,b", maintype="text", subtype="csv", filename="list.csv")
    shown = sandbox.send_message(message)
    mail = sandbox.get(f"{API}/message/latest").json
    assert list(mail) == MESSAGE
    assert (mail["ID"], mail["MessageID"]) == (shown, "m7@example.com")
    assert mail["Date"].startswith("2026-11-21T10:00:00")
    assert mail["ReturnPath"] == "ann@example.com"
    assert mail["ListUnsubscribe"] == {
        "Header": "<https://example.com/u>, <mailto:u@example.com>",
        "Links": ["https://example.com/u", "mailto:u@example.com"],
        "Errors": "",
        "HeaderPost": "List-Unsubscribe=One-Click",
    }
    (inline,), (attached,) = mail["Inline"], mail["Attachments"]
    assert list(attached) == ["PartID", "FileName", "ContentType", "ContentID", "Size", "Checksums"]
    assert (attached["FileName"], attached["Size"]) == ("list.csv", 3)
    assert list(attached["Checksums"]) == ["MD5", "SHA1", "SHA256"]
    assert inline["ContentID"] == "logo"
    assert sandbox.get(f"{API}/messages").json["messages"][0]["Read"] is True
    part = sandbox.get(f"{API}/message/{shown}/part/{inline['PartID']}")
    assert (part.body, part.headers["content-type"]) == (PIXEL, "image/png")
    assert part.headers["content-disposition"].startswith("inline")
    thumb = sandbox.get(f"{API}/message/{shown}/part/{inline['PartID']}/thumb")
    assert thumb.headers["content-type"] == "image/png"


def test_a_text_is_made_of_html_where_there_is_none(sandbox: RunningSandbox) -> None:
    """As Mailpit's parser has it."""
    message = make_message()
    message.set_content("<p>Only <b>HTML</b></p>", subtype="html")
    sandbox.send_message(message)
    assert sandbox.get(f"{API}/message/latest").json["Text"].strip() == "Only HTML"


def test_an_image_bomb_is_never_decoded(sandbox: RunningSandbox) -> None:
    """A picture of 50,000 by 50,000 pixels in a few octets is sent as it is, and a large one not."""
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 6, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + header + b"\0\0\0\0"
    message = make_message()
    message.add_attachment(bomb, maintype="image", subtype="png", filename="bomb.png")
    message.add_attachment(
        bomb + b"\0" * 600_000, maintype="image", subtype="png", filename="big.png"
    )
    message.add_attachment(
        b"<svg onload=alert(1)>", maintype="image", subtype="svg+xml", filename="x.svg"
    )
    shown = sandbox.send_message(message)
    small, large, drawing = sandbox.get(f"{API}/message/{shown}").json["Attachments"]
    base = f"{API}/message/{shown}/part"
    assert sandbox.get(f"{base}/{small['PartID']}/thumb").body == bomb
    assert len(sandbox.get(f"{base}/{large['PartID']}/thumb").body) < 1_000
    assert b"svg" not in sandbox.get(f"{base}/{drawing['PartID']}/thumb").body
    svg = sandbox.get(f"{base}/{drawing['PartID']}")
    assert svg.headers["content-type"] == "application/octet-stream"
    assert svg.headers["content-disposition"].startswith("attachment")


def test_headers_and_source_come_as_they_are(sandbox: RunningSandbox) -> None:
    """Names as Go spells them, in order, each with all its values; the source as text."""
    shown = sandbox.send(subject="Grüße", X_MIXED_case="1")
    headers = sandbox.get(f"{API}/message/{shown}/headers").json
    assert list(headers) == sorted(headers)
    assert headers["X-Mixed-Case"] == ["1"]
    assert headers["Subject"][0].startswith("=?")
    raw = sandbox.get(f"{API}/message/{shown}/raw")
    assert raw.headers["content-type"] == "text/plain; charset=utf-8"
    assert b"Subject: =?" in raw.body
    assert (
        "attachment"
        in sandbox.get(f"{API}/message/{shown}/raw?dl=1").headers["content-disposition"]
    )


def test_bodies_are_read_as_go_reads_them(sandbox: RunningSandbox) -> None:
    """Members in any case, any media type, nothing at all; but nothing that is broken."""
    one, two = sandbox.send(), sandbox.send()
    plain = {"Content-Type": "text/plain"}
    body = json.dumps({"ids": [one], "read": True}).encode()
    assert sandbox.ask("PUT", f"{API}/messages", body, plain).text == "ok"
    assert sandbox.get(f"{API}/messages").json["unread"] == 1
    form = {"Content-Type": "application/x-www-form-urlencoded"}  # as curl -d says of JSON
    assert sandbox.ask("PUT", f"{API}/messages", b' {"Read": false}', form).text == "ok"
    assert sandbox.get(f"{API}/messages").json["unread"] == 2
    sandbox.ask("PUT", f"{API}/messages", f"ids={one}&Read=true".encode(), form)
    assert sandbox.get(f"{API}/messages").json["unread"] == 1
    sandbox.ask("PUT", f"{API}/messages", {"Read": False})
    assert sandbox.get(f"{API}/messages").json["unread"] == 2
    sandbox.ask("PUT", f"{API}/messages", {"Read": True, "Search": "to:bo"})
    assert sandbox.get(f"{API}/messages").json["unread"] == 0
    assert sandbox.ask("DELETE", f"{API}/messages", b"{broken", plain).status == 400
    sandbox.ask("DELETE", f"{API}/messages", {"IDs": [two]})
    assert [row["ID"] for row in sandbox.get(f"{API}/messages").json["messages"]] == [one]
    both = sandbox.ask("PUT", f"{API}/messages", {"IDs": [one], "Search": "x"})
    assert (both.status, both.text) == (
        400,
        "You may specify either IDs or a search query, not both",
    )


def test_search_and_delete_by_search(sandbox: RunningSandbox) -> None:
    """Search counts what it finds; deleting takes just that."""
    sandbox.send(subject="Alpha")
    sandbox.send(subject="Beta")
    found = sandbox.get(f"{API}/search?query=subject:alpha&tz=Pacific/Auckland").json
    assert (found["messages_count"], found["total"]) == (1, 2)
    assert sandbox.ask("DELETE", f"{API}/search?query=subject:alpha").text == "ok"
    assert sandbox.get(f"{API}/messages").json["messages"][0]["Subject"] == "Beta"
    for query, text in (
        ("", "no search query"),
        ("form:x", "from:"),
        ("x&tz=Nowhere", "time zone"),
    ):
        answer = sandbox.get(f"{API}/search?query={query}")
        assert answer.status == 400
        assert answer.headers["content-type"].startswith("text/plain")
        assert text in answer.text
    sandbox.send(subject="Gamma")
    assert sandbox.get(f"{API}/message/latest?query=subject:beta").json["Subject"] == "Beta"


def test_tags_are_set_renamed_and_deleted(sandbox: RunningSandbox) -> None:
    """All with a plain ``ok``."""
    shown = sandbox.send()
    assert sandbox.ask("PUT", f"{API}/tags", {"IDs": [shown], "Tags": ["a b", "c"]}).text == "ok"
    assert sandbox.get(f"{API}/tags").json == ["a b", "c"]
    assert sandbox.ask("PUT", f"{API}/tags/a%20b", {"Name": "d"}).text == "ok"
    assert sandbox.ask("DELETE", f"{API}/tags/c").text == "ok"
    assert sandbox.get(f"{API}/tags").json == ["d"]
    assert sandbox.get(f"{API}/messages").json["tags"] == ["d"]


def test_a_message_is_sent_as_json(sandbox: RunningSandbox) -> None:
    """The whole of Mailpit's example goes through, and comes out as given."""
    body = {
        "From": {"Email": "john@example.com", "Name": "John Doe"},
        "To": [{"Email": "jane@example.com", "Name": "Jane Döe"}],
        "Cc": [{"Email": "boss@example.com"}],
        "Bcc": ["jack@example.com"],
        "ReplyTo": [{"Email": "sec@example.com", "Name": "Secretary"}],
        "Subject": "Via the API é",
        "Text": "Text ü",
        "HTML": '<p>HTML <img src="cid:logo"></p>',
        "Headers": {"X-IP": "1.2.3.4"},
        "Tags": ["Tag 1", "Tag 2"],
        "Attachments": [
            {"Content": base64.b64encode(PIXEL).decode(), "Filename": "logo.png",
             "ContentType": "image/png", "ContentID": "logo"},
            {"Content": "data:text/plain;base64,aGk=", "Filename": "hi.txt"},
        ],
    }  # fmt: skip
    shown = sandbox.ask("POST", f"{API}/send", body).json["ID"]
    mail = sandbox.get(f"{API}/message/{shown}").json
    assert mail["Subject"] == "Via the API é"
    assert mail["To"] == [{"Name": "Jane Döe", "Address": "jane@example.com"}]
    assert [person["Address"] for person in mail["Bcc"]] == ["jack@example.com"]
    assert mail["ReplyTo"][0]["Name"] == "Secretary"
    assert mail["Text"].strip() == "Text ü"
    assert sorted(mail["Tags"]) == ["Tag 1", "Tag 2"]
    assert (mail["Inline"][0]["ContentID"], mail["Inline"][0]["FileName"]) == ("logo", "logo.png")
    assert mail["Attachments"][0]["Size"] == 2
    assert sandbox.get(f"{API}/message/{shown}/headers").json["X-Ip"] == ["1.2.3.4"]


@pytest.mark.parametrize(
    "body",
    [
        {"From": {"Email": "x"}},
        {"From": {"Email": "a@b.example\r\nBcc: c@d.example"}},
        {"From": {"Email": "a@b.example", "Name": "x\r\nBcc: c@d.example"}},
        {"From": {"Email": "a@b.example"}, "Subject": "x\nBcc: c@d.example"},
        {"From": {"Email": "a@b.example"}, "Headers": {"X\r\nBcc": "c@d.example"}},
        {"From": {"Email": "a@b.example"}, "Headers": {"X": "c\r\n\r\nbody"}},
        {"From": {"Email": "a@b.example"}, "Headers": {"Subject": "again"}},
        {"From": {"Email": "a@b.example"}, "Tags": ["x\r\nBcc: c"]},
        {"From": {"Email": "a@b.example"}, "To": [{"Email": "nobody"}]},
        {"From": {"Email": "a@b.example"}, "Bcc": ["a@b\r\nc"]},
        {"From": {"Email": "a@b.example"}, "Attachments": [{"Content": "!", "Filename": "x"}]},
        {"From": {"Email": "a@b.example"}, "Attachments": [{"Content": "", "Filename": "x\r\ny"}]},
        {"From": {"Email": "a@b.example"}, "Attachments": [{"Content": "", "Filename": "x", "ContentType": "a/b\r\nX: y"}]},
        {"From": {"Email": "a@b.example"}, "Attachments": [{"Content": "", "Filename": "x", "ContentID": "a\r\nb"}]},
        {"From": "a@b.example"},
        [],
    ],
)  # fmt: skip
def test_nothing_gets_into_a_header_by_the_api(sandbox: RunningSandbox, body: object) -> None:
    """Line ends, reserved fields and what is no address are a 400 with Mailpit's JSON error."""
    answer = sandbox.ask("POST", f"{API}/send", body)
    assert answer.status == 400, answer.text
    assert list(answer.json) == ["Error"]
    assert sandbox.get(f"{API}/messages").json["total"] == 0


def test_addresses_may_be_of_any_script(sandbox: RunningSandbox) -> None:
    """A message to and from such people goes in as UTF-8 (RFC 6532)."""
    body = {
        "From": {"Email": "ännchen@müller.example", "Name": "Ännchen"},
        "To": [{"Email": "用户@例子.example"}],
        "Subject": "Grüße",
        "Text": "ü",
    }
    shown = sandbox.ask("POST", f"{API}/send", body).json["ID"]
    mail = sandbox.get(f"{API}/message/{shown}").json
    assert mail["From"] == {"Name": "Ännchen", "Address": "ännchen@müller.example"}
    assert mail["To"][0]["Address"] == "用户@例子.example"


def test_chaos_is_set_and_obeyed(sandbox: RunningSandbox) -> None:
    """All senders fail at 100 percent, and none when it is reset."""
    triggers = sandbox.ask(
        "PUT", f"{API}/chaos", {"Sender": {"ErrorCode": 451, "Probability": 100}}
    )
    assert triggers.json["Sender"] == {"ErrorCode": 451, "Probability": 100}
    assert sandbox.get(f"{API}/chaos").json == triggers.json
    with pytest.raises(Exception, match=r"503|451"):
        sandbox.send()
    assert sandbox.ask("PUT", f"{API}/chaos", {"Sender": {"ErrorCode": 200}}).status == 400
    assert sandbox.ask("PUT", f"{API}/chaos", {}).json["Sender"]["Probability"] == 0
    sandbox.send()


def test_the_server_is_described(sandbox: RunningSandbox) -> None:
    """Totals, runtime figures and what the page may do."""
    sandbox.send()
    info = sandbox.get(f"{API}/info").json
    assert list(info) == [
        "Version", "LatestVersion", "Database", "DatabaseSize", "Messages", "Unread", "Tags",
        "RuntimeStats",
    ]  # fmt: skip
    assert info["Messages"] == 1
    assert set(info["RuntimeStats"]) == {
        "Uptime", "Memory", "MessagesDeleted", "SMTPAccepted", "SMTPAcceptedSize", "SMTPRejected",
        "SMTPIgnored",
    }  # fmt: skip
    assert sandbox.get(f"{API}/webui").json["MessageRelay"]["Enabled"] is False


@pytest.mark.parametrize(
    "path",
    [
        "/message/nope", "/message/nope/raw", "/message/latest", "/message/latest/part/1",
        "/message/..%2f..%2f..%2fetc%2fpasswd/raw", "/message/%2e%2e/raw", "/nothing",
        "/message/" + "9" * 100,
    ],
)  # fmt: skip
def test_what_is_not_there_is_told_as_mailpit_tells_it(sandbox: RunningSandbox, path: str) -> None:
    """404 with a line of text; no id is ever a path."""
    answer = sandbox.get(API + path)
    assert (answer.status, answer.text) == (404, "404 page not found")
    assert answer.headers["content-type"].startswith("text/plain")


def test_a_release_without_a_relay_is_refused(sandbox: RunningSandbox) -> None:
    """Nothing can leave unless somebody has set it up."""
    shown = sandbox.send()
    answer = sandbox.ask("POST", f"{API}/message/{shown}/release", {"To": ["real@example.com"]})
    assert answer.status == 400
    assert "relay" in answer.text.lower()


def _socket(sandbox: RunningSandbox, **options: object) -> ClientConnection:
    return connect(f"ws://localhost:{sandbox.port}/api/events", close_timeout=1, **options)


def test_the_websocket_tells_what_happens(sandbox: RunningSandbox) -> None:
    """New, update, delete and truncate frames in Mailpit's form, with totals after each."""
    with _socket(sandbox) as socket:
        shown = sandbox.send(subject="Live")
        frames = [json.loads(socket.recv(timeout=5)) for _ in range(2)]
        assert (frames[0]["Type"], frames[0]["Data"]["ID"]) == ("new", shown)
        assert list(frames[0]["Data"]) == SUMMARY
        assert frames[1]["Type"] == "stats"
        assert (frames[1]["Data"]["Total"], frames[1]["Data"]["Unread"]) == (1, 1)
        sandbox.get(f"{API}/message/{shown}")
        update = json.loads(socket.recv(timeout=5))
        assert (update["Type"], update["Data"]["Read"]) == ("update", True)
        socket.recv(timeout=5)
        sandbox.ask("DELETE", f"{API}/messages", {"IDs": [shown]})
        assert json.loads(socket.recv(timeout=5)) == {"Type": "delete", "Data": {"ID": shown}}


def test_a_page_elsewhere_cannot_listen(sandbox: RunningSandbox) -> None:
    """CVE-2026-22689: the origin is checked before the socket opens."""
    with pytest.raises(InvalidStatus) as caught, _socket(sandbox, origin="http://evil.example"):
        pass
    assert caught.value.response.status_code == 403


def test_a_listener_does_not_hold_up_the_end() -> None:
    """Sockets are closed as going away when the sandbox stops."""
    with sandbox_web() as sandbox:
        socket = _socket(sandbox)
        timer = threading.Timer(0.1, lambda: None)
        timer.start()
    with socket, pytest.raises(Exception, match=r"1001|1012"):
        socket.recv(timeout=5)


def test_waiting_is_there_though_mailpit_has_it_not(sandbox: RunningSandbox) -> None:
    """The most wished for call, in Mailpit's shape."""
    sandbox.send(subject="Soon")
    assert sandbox.get(f"{API}/wait?query=subject:soon&timeout=5").json["Subject"] == "Soon"
    assert sandbox.get(f"{API}/wait?query=subject:never&timeout=0.05").status == 408
    shown = sandbox.get(f"{API}/messages").json["messages"][0]["ID"]
    assert sandbox.get(f"{API}/message/{shown}/codes").json == {"Codes": ["481516"]}
    assert sandbox.get(f"{API}/message/{shown}/links").json["Links"]
    assert sandbox.get(f"{API}/message/{shown}/session").json["lines"]


# --- MailHog -------------------------------------------------------------------------


def test_mailhogs_lists(sandbox: RunningSandbox) -> None:
    """Version 2 lists and searches, with contents as they came."""
    sandbox.send(to="bo@example.com", subject="Grüße", html="<b>x</b>")
    sandbox.send(to="cy@example.com", subject="Other")
    listed = sandbox.get("/api/v2/messages?start=1&limit=1").json
    assert (listed["total"], listed["count"], listed["start"]) == (2, 1, 1)
    (item,) = listed["items"]
    assert item["From"] == {"Relays": None, "Mailbox": "ann", "Domain": "example.com", "Params": ""}
    assert item["To"][0]["Mailbox"] == "bo"
    assert item["Content"]["Headers"]["Subject"][0].startswith("=?")
    assert [part["Headers"]["Content-Type"][0].split(";")[0] for part in item["MIME"]["Parts"]] == [
        "text/plain", "text/html",
    ]  # fmt: skip
    for kind, query, total in (("to", "cy", 1), ("from", "ann@", 2), ("containing", "481516", 2)):
        assert sandbox.get(f"/api/v2/search?kind={kind}&query={query}").json["total"] == total
    assert sandbox.get("/api/v2/search?kind=color&query=x").status == 400


def test_mailhogs_message_is_read_saved_and_deleted(sandbox: RunningSandbox) -> None:
    """Version 1 on one message."""
    shown = sandbox.send()
    path = f"/api/v1/messages/{shown}"
    assert sandbox.get(path).json["ID"] == shown
    assert sandbox.get(f"{path}/download").headers["content-type"] == "message/rfc822"
    assert sandbox.ask("DELETE", path).status == 200
    assert sandbox.get(path).status == 404
