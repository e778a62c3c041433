"""The view of a mail: what a reader sees of it."""

from __future__ import annotations

import base64
import gzip

import pytest

from pillarbox.message.mail import Mail, read_mail
from pillarbox.message.people import Person
from pillarbox.message.tree import TreeLimits, read_tree


def mail(header: str, body: str | bytes = "") -> Mail:
    """Return a mail whose lines end in CRLF."""
    octets = body if isinstance(body, bytes) else body.encode()
    return read_mail(
        (header.strip() + "\n\n").replace("\n", "\r\n").encode() + octets.replace(b"\n", b"\r\n")
    )


def multipart(kind: str, *parts: str) -> Mail:
    """Return a multipart of the parts, each a header, an empty line and a body."""
    body = "".join(f"--b\n{part}\n" for part in parts) + "--b--\n"
    return mail(f"MIME-Version: 1.0\nContent-Type: multipart/{kind}; boundary=b", body)


TEXT = "Content-Type: text/plain\n\nplain"
HTML = "Content-Type: text/html\n\n<p>page</p>"


# --- fields ---------------------------------------------------------------------------------


def test_fields_are_decoded_and_kept_raw() -> None:
    """Each field has its name as it was spelled, its decoded value, its octets and its line."""
    seen = mail("From: a@example.org\nsubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n aus Wien\nX-A: 1")
    field = seen.fields[1]
    assert (field.name, field.value, field.line) == ("subject", "Grüße aus Wien", 2)
    assert field.raw == b" =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n aus Wien"
    assert [each.line for each in seen.fields] == [1, 2, 4]
    assert seen.values("SUBJECT") == ("Grüße aus Wien",)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"=?utf-8?B?w6TDtsO8?=", "äöü"),
        (b"=?UTF-8?b?w6TDtsO8?= =?utf-8?q?=21?=", "äöü!"),
        (b"=?utf-8?q?a=C3?= =?utf-8?q?=A4b?=", "aäb"),  # a character split between two words
        (b"=?iso-8859-1?q?=80_1?=", "€ 1"),  # windows-1252, as browsers have it
        (b"=?utf-8*en?q?language?=", "language"),
        (b"=?utf-8?q?hello there?=", "hello there"),  # blanks are not allowed, and usual
        (b"=?gb2312?B?xOO6ww==?=", "你好"),
        (b"=?ks_c_5601-1987?B?vsiz58fPvLy/5A==?=", "안녕하세요"),
        (b"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"),
        (b"=?unknown-8bit?q?ol=C3=A9?=", "olé"),
        (b"=?x-user-defined?q?ol=E9?=", "olé"),
        (b"=?nonsense?q?ol=E9?=", "olé"),
        (b"gr\xc3\xbc\xc3\x9fe", "grüße"),  # RFC 6532
        (b"gr\xfc\xdfe", "grüße"),  # neither ASCII nor UTF-8
        (b"=?utf-8?q?broken", "=?utf-8?q?broken"),
        (b"=?utf-8?x?unknown?=", "=?utf-8?x?unknown?="),
        (b"=?utf-8?b?w6T?= tail", "ä tail"),  # without padding
        (b"=?utf-8?q?a=0D=0ABcc:_x@y=00?=", "a Bcc: x@y"),  # no line end, no NUL
        (b"=?utf-7?q?+ADw-script+AD4-?=", "+ADw-script+AD4-"),  # never UTF-7
    ],
)
def test_encoded_words_are_decoded(raw: bytes, text: str) -> None:
    """Words of RFC 2047 are read as tolerantly as readers do, and never bring a line end."""
    assert read_mail(b"Subject: " + raw + b"\r\n\r\n").subject == text


@pytest.mark.parametrize(
    "label", ["zip", "rot13", "unicode_escape", "idna", "hex", "utf-7", "punycode", "mbcs"]
)
def test_no_label_names_a_codec_of_python(label: str) -> None:
    """A character set is chosen from a closed list: no other codec ever runs."""
    seen = mail(f"Content-Type: text/plain; charset={label}", "\\x41 +ADw- xn--x\n")
    assert seen.text == "\\x41 +ADw- xn--x\n"
    assert any("not read" in defect for defect in seen.defects)


def test_an_encoded_word_cannot_forge_an_address() -> None:
    """Words are decoded in names and never in addresses."""
    seen = mail("From: =?utf-8?q?ceo=40bank.example?= <=?utf-8?q?a=40b?=@evil.example>")
    assert seen.from_ == (Person("=?utf-8?q?a=40b?=@evil.example", "ceo@bank.example"),)


@pytest.mark.parametrize(
    ("value", "people"),
    [
        ("a@example.org", [("", "a@example.org")]),
        ("Ann <a@example.org>, b@example.org", [("Ann", "a@example.org"), ("", "b@example.org")]),
        ("Team: a@example.org, b@example.org;", [("", "a@example.org"), ("", "b@example.org")]),
        ("undisclosed-recipients:;", []),
        ("a@example.org (Ann)", [("Ann", "a@example.org")]),
        ("Ann, of Wien <a@example.org>", [("Ann", ""), ("of Wien", "a@example.org")]),
        ('"=?utf-8?q?=C3=84nn?=" <a@example.org>', [("Änn", "a@example.org")]),
        ("Ann [QA] <a@example.org>", [("Ann [QA]", "a@example.org")]),
        ("nobody", [("nobody", "")]),
        ("<>", [("", "")]),
    ],
)
def test_people_are_shown_as_they_were_meant(value: str, people: list[tuple[str, str]]) -> None:
    """Address lists are shown, those that are malformed too."""
    assert [(each.name, each.address) for each in mail(f"To: {value}").to] == people


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("Sat, 21 Nov 2026 10:00:00 +0000", 1795255200.0),
        ("21 Nov 2026 11:00 +0100", 1795255200.0),
        ("Sat, 21 Nov 26 05:00:00 EST", 1795255200.0),
        ("Sat, 21 Nov 2026 (a (nested) comment) 10:00:00 GMT", 1795255200.0),
        ("Sun, 31 Feb 2026 10:00:00 +0000", None),
        ("Thu, 1 Jan 9999 00:00:00 +0000", 253370764800.0),
        ("yesterday", None),
        ("", None),
    ],
)
def test_dates_are_read(value: str, seconds: float | None) -> None:
    """A date means a time, far in the past or the future too, or nothing."""
    assert mail(f"Date: {value}").date == seconds


# --- the body -------------------------------------------------------------------------------


def test_alternatives_are_two_views() -> None:
    """A reader sees one of them; neither is an attachment."""
    seen = multipart("alternative", TEXT, HTML)
    assert (seen.text, seen.html, seen.attachments) == ("plain", "<p>page</p>", ())


def test_a_page_alone_leaves_no_text() -> None:
    """Without a plain part, there is no plain text."""
    seen = mail("Content-Type: text/html; charset=utf-8", "<p>hé</p>")
    assert (seen.text, seen.html) == (None, "<p>hé</p>")


def test_texts_beside_each_other_are_shown_together() -> None:
    """A list's footer belongs to the text, and to the page."""
    seen = multipart("mixed", HTML, "Content-Type: text/plain\n\n-- <list>")
    assert seen.text == "-- <list>"
    assert seen.html == '<p>page</p>\n<div style="white-space: pre-wrap">-- &lt;list&gt;</div>'


def test_a_text_with_a_name_is_attached() -> None:
    """Behind the first part, a text with a name is a file."""
    seen = multipart("mixed", TEXT, "Content-Type: text/plain; name=log.txt\n\nlog")
    assert seen.text == "plain"
    assert [(each.filename, each.size) for each in seen.attachments] == [("log.txt", 3)]


def test_images_that_the_page_shows_are_inline() -> None:
    """What a page refers to is inline; a related part that it forgot is listed."""
    seen = multipart(
        "related",
        'Content-Type: text/html\n\n<img src="cid:logo%401"><p>x</p>',
        "Content-Type: image/png; name=a.png\nContent-ID: <logo@1>\n\nA",
        "Content-Type: image/png; name=b.png\nContent-ID: <other>\n\nB",
    )
    assert [each.filename for each in seen.inlines] == ["a.png"]
    assert [each.filename for each in seen.attachments] == ["b.png"]
    logo = seen.by_content_id("logo@1")
    assert logo is not None
    assert logo.content == b"A"


def test_the_root_of_related_parts_may_stand_behind() -> None:
    """RFC 2387: ``start`` names the part that the others belong to."""
    seen = mail(
        'Content-Type: multipart/related; boundary=b; start="<page>"',
        f"--b\nContent-Type: image/png\nContent-ID: <a>\n\nA\n--b\nContent-ID: <page>\n{HTML}\n--b--\n",
    )
    assert seen.html == "<p>page</p>"
    assert [each.content_id for each in seen.attachments] == ["a"]


def test_a_page_says_what_it_is_written_in() -> None:
    """Without a charset parameter, the page's own word counts."""
    page = b'<html><meta http-equiv=Content-Type content="text/html; charset=koi8-r">'
    seen = mail("Content-Type: text/html", page + b"\xf0\xd2\xc9\xd7\xc5\xd4")
    assert seen.html is not None
    assert seen.html.endswith("Привет")


def test_alternatives_for_other_readers_are_no_files() -> None:
    """AMP is neither shown nor attached; it stands in the tree."""
    seen = multipart("alternative", TEXT, "Content-Type: text/x-amp-html\n\n<html amp4email>", HTML)
    assert (seen.text, seen.html, seen.attachments) == ("plain", "<p>page</p>", ())
    assert len(list(seen.tree.walk())) == 4


def test_archives_are_never_unpacked() -> None:
    """What is packed stays packed: ten megabytes of nothing are a few octets."""
    packed = gzip.compress(bytes(10_000_000))
    encoded = base64.encodebytes(packed).decode()
    seen = multipart(
        "mixed",
        TEXT,
        f"Content-Type: application/gzip\nContent-Transfer-Encoding: base64\n\n{encoded}",
    )
    assert seen.attachments[0].content == packed


def test_flowed_text_is_joined() -> None:
    """RFC 3676: paragraphs are one line again, quotes stay quoted, a signature stays a line."""
    body = "One \nparagraph.\n> quoted \n> text\n From here\n-- \nAnn\n"
    assert mail("Content-Type: text/plain; format=flowed", body).text == (
        "One paragraph.\n> quoted text\nFrom here\n-- \nAnn\n"
    )
    assert (
        mail("Content-Type: text/plain; format=flowed; delsp=yes", "long \nword\n").text
        == "longword\n"
    )


def test_uuencode_is_left_alone() -> None:
    """Files in the text of old mail are text."""
    body = "begin 644 a.txt\n%:&5L;&\\\n`\nend\n"
    assert mail("Subject: x", body).text == body
    assert mail("Content-Transfer-Encoding: x-uuencode", body).text == body


def test_tnef_is_named_and_not_unpacked() -> None:
    """Outlook's winmail.dat is an attachment like any other."""
    seen = multipart("mixed", TEXT, "Content-Type: application/ms-tnef; name=winmail.dat\n\nx")
    assert [(each.filename, each.content) for each in seen.attachments] == [("winmail.dat", b"x")]


def test_a_nested_message_is_a_part_with_parts() -> None:
    """An attached mail is listed as a file, and its parts stand in the tree."""
    seen = multipart("mixed", TEXT, "Content-Type: message/rfc822\n\nSubject: inner\n\nhello")
    assert [node.media_type for node in seen.tree.walk()] == [
        "multipart/mixed", "text/plain", "message/rfc822", "text/plain",
    ]  # fmt: skip
    assert [each.number for each in seen.attachments] == [3]
    assert read_mail(seen.attachments[0].content).subject == "inner"
    part = seen.part(4)
    assert part is not None
    assert part.text == "hello"


def test_an_encoded_message_is_opened() -> None:
    """base64 around a whole message is forbidden, and done."""
    inner = base64.b64encode(b"Subject: inner\r\n\r\nhello").decode()
    seen = multipart(
        "mixed", f"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n{inner}"
    )
    assert [node.media_type for node in seen.tree.walk()][-1] == "text/plain"
    assert read_mail(seen.attachments[0].content).subject == "inner"


def test_a_message_without_its_last_boundary_is_whole() -> None:
    """What was cut off is shown, and said to be cut off."""
    seen = mail("Content-Type: multipart/mixed; boundary=b", f"--b\n{TEXT}\n--b\n{HTML}")
    assert (seen.text, seen.html) == (
        "plain",
        '<div style="white-space: pre-wrap">plain</div>\n<p>page</p>',
    )
    assert any("last boundary" in defect for defect in seen.defects)


def test_lone_line_feeds_are_read() -> None:
    """A file with LF line ends is the same mail."""
    octets = b"Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nhello\n--b--\n"
    assert read_mail(octets).text == read_mail(octets.replace(b"\n", b"\r\n")).text == "hello"


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\r\n",
        b"\r\n\r\n",
        b"no field",
        b"From me\r\n",
        b"\x00",
        b"a:",
        b":\r\n\r\n",
        b"\xff\xfe",
    ],
)
def test_anything_is_a_mail(octets: bytes) -> None:
    """Any octets are shown."""
    assert read_mail(octets).size == len(octets)


# --- parameters and names -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ('Content-Disposition: attachment; filename="a b.pdf"', "a b.pdf"),
        ("Content-Disposition: attachment; filename=a b.pdf", "a b.pdf"),
        ("Content-Disposition: attachment; filename*=utf-8'de'%C3%A4.pdf", "ä.pdf"),
        (
            "Content-Disposition: attachment; filename*0=a; filename*1*=%20b; filename*2=.pdf",
            "a b.pdf",
        ),
        (
            "Content-Disposition: attachment; filename*1=b.pdf; filename*0*=iso-8859-1''%E4",
            "äb.pdf",
        ),
        ("Content-Disposition: attachment; filename=x.pdf; filename*=utf-8''y.pdf", "y.pdf"),
        ('Content-Disposition: attachment; filename="=?utf-8?q?=C3=A4.pdf?="', "ä.pdf"),
        ('Content-Disposition: attachment; filename="ä.pdf"', "ä.pdf"),
        (r'Content-Disposition: attachment; filename="a\"b.pdf"', "a_b.pdf"),
        ("Content-Type: application/pdf; name=n.pdf", "n.pdf"),
        ("Content-Disposition: attachment", ""),
        # Names that would hurt.
        ('Content-Disposition: attachment; filename="../../etc/passwd"', "passwd"),
        (r'Content-Disposition: attachment; filename="C:\Windows\system.ini"', "system.ini"),
        ("Content-Disposition: attachment; filename*=utf-8''a%00.txt", "a .txt"),
        ("Content-Disposition: attachment; filename*=utf-8''gpj%E2%80%AE.exe", "gpj.exe"),
        ("Content-Disposition: attachment; filename=CON", "_CON"),
        ("Content-Disposition: attachment; filename=nul.txt", "_nul.txt"),
        ("Content-Disposition: attachment; filename=-rf", "rf"),
        ("Content-Disposition: attachment; filename=.bashrc", "bashrc"),
        ('Content-Disposition: attachment; filename="a\tb"', "a b"),
        ('Content-Disposition: attachment; filename="x;rm -rf `x`$y"', "x_rm -rf _x_y"),
        ("Content-Disposition: attachment; filename=..", ""),
    ],
)
def test_filenames_are_read_and_made_safe(field: str, name: str) -> None:
    """RFC 2231, encoded words and raw octets are read; nothing leaves a folder or hides."""
    seen = multipart("mixed", TEXT, f"{field}\n\nx")
    assert [each.filename for each in seen.attachments] == [name]


def test_a_long_filename_keeps_its_ending() -> None:
    """4 KiB of name become at most 150 octets, and programs still know the kind."""
    seen = multipart(
        "mixed", TEXT, f'Content-Disposition: attachment; filename="{"ä" * 2048}.pdf"\n\nx'
    )
    (found,) = seen.attachments
    assert found.filename.endswith(".pdf")
    assert 100 < len(found.filename.encode()) <= 150


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("Content-Type: application/pdf; name=a.pdf\n\nx", "a.pdf"),
        ("Content-Type: application/pdf\n\nx", "part-3.pdf"),
        ("Content-Type: image/x-unknown\n\nx", "part-3.bin"),
        ("Content-Type: text/x-log\nContent-Disposition: attachment\n\nx", "part-3.txt"),
        ("Content-Type: message/rfc822\n\nSubject: =?utf-8?q?a/b=3A_=C3=A4?=\n\nx", "a_b_ ä.eml"),
        ("Content-Type: message/rfc822\n\n\nx", "part-3.eml"),
    ],
)
def test_each_attachment_can_be_saved(part: str, name: str) -> None:
    """What has no name gets one by its kind, and an attached mail by its subject."""
    assert [each.saved_as for each in multipart("mixed", TEXT, part).attachments] == [name]


def test_what_a_name_hides_is_shown() -> None:
    """The shown name is the sender's, with a mark for each character that hides something."""
    seen = multipart(
        "mixed", TEXT, "Content-Disposition: attachment; filename*=utf-8''a/gpj%E2%80%AE.exe\n\nx"
    )
    assert seen.attachments[0].shown_name == "a/gpj\ufffd.exe"


# --- calendars ------------------------------------------------------------------------------

INVITATION = """BEGIN:VCALENDAR
METHOD:REQUEST
BEGIN:VTIMEZONE
TZID:Europe/Vienna
BEGIN:STANDARD
DTSTART:19701025T030000
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
UID:1@example.org
SUMMARY:Review\\, then
  lunch
DTSTART;TZID=Europe/Vienna:20261121T100000
DTEND:20261121T100000Z
LOCATION:Room 1
ORGANIZER;CN="Ann: QA":mailto:ann@example.org
ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED;CN=Bob:MAILTO:bob@example.org
DESCRIPTION:One\\nTwo
BEGIN:VALARM
SUMMARY:not this one
END:VALARM
END:VEVENT
BEGIN:VEVENT
SUMMARY:A day
DTSTART;VALUE=DATE:20261224
END:VEVENT
END:VCALENDAR
"""


def test_an_invitation_is_read() -> None:
    """Who invites whom to what, when and where; alarms and time zones are no events."""
    seen = multipart(
        "alternative", TEXT, f"Content-Type: text/calendar; method=REQUEST\n\n{INVITATION}"
    )
    first, second = seen.calendar
    assert (first.method, first.summary, first.location) == (
        "REQUEST",
        "Review, then lunch",
        "Room 1",
    )
    assert first.start is not None
    assert (first.start.text, first.start.zone) == ("2026-11-21T10:00:00", "Europe/Vienna")
    assert first.end is not None
    assert first.end.zone == "UTC"
    assert first.organizer == Person("ann@example.org", "Ann: QA")
    (bob,) = first.attendees
    assert (bob.person, bob.answer) == (Person("bob@example.org", "Bob"), "ACCEPTED")
    assert first.description == "One\nTwo"
    assert second.start is not None
    assert second.start.is_day


def test_a_broken_calendar_has_what_can_be_read() -> None:
    """What is malformed is left out; nothing is raised."""
    seen = mail(
        "Content-Type: text/calendar",
        "BEGIN:VEVENT\nDTSTART:x\n:\nSUMMARY\nSUMMARY;=:\nSUMMARY:x\nEND:VEVENT",
    )
    (event,) = seen.calendar
    assert (event.summary, event.start) == ("x", None)


# --- bounds ---------------------------------------------------------------------------------


def nested(depth: int) -> bytes:
    """Return multiparts within each other."""
    opening = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
        for n in range(depth)
    )
    return opening + b"\r\nx"


@pytest.mark.parametrize("depth", [100, 2_000, 20_000])
def test_depth_is_bounded(depth: int) -> None:
    """A hundred levels are taken apart; what is deeper is one part."""
    seen = read_mail(nested(depth))
    assert len(list(seen.tree.walk())) <= 101
    assert depth <= 100 or any("deeper" in defect for defect in seen.defects)


def test_messages_within_messages_are_bounded() -> None:
    """A message in a message in a message ends somewhere."""
    octets = b"Content-Type: message/rfc822\r\n\r\n" * 5_000
    assert len(list(read_mail(octets).tree.walk())) <= 101
    wrapped = octets
    for _ in range(5):
        wrapped = (
            b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            + base64.encodebytes(wrapped)
        )
    assert len(list(read_mail(wrapped).tree.walk())) <= 101


@pytest.mark.parametrize("header", [b"A: b\r\n" * 6_000, b"A: " + b"b" * 600_000 + b"\r\n"])
def test_a_header_that_is_too_large_is_told_of(header: bytes) -> None:
    """It is shown as text, and said to be too large; nothing is raised."""
    seen = read_mail(header + b"\r\nhello")
    assert any("too large" in defect for defect in seen.defects)
    assert seen.text is not None
    assert seen.text.endswith("hello")


def test_names_of_fields_may_be_anything() -> None:
    """A field named like something of JavaScript is a field."""
    assert mail("__proto__: x\nconstructor: y").values("__proto__") == ("x",)


def test_parts_are_bounded() -> None:
    """A thousand parts are taken apart; the rest is told of."""
    octets = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 5_000
    root = read_tree(octets)
    assert len(root.children) == 999
    assert any("more parts" in defect for defect in root.defects)
    assert len(read_tree(octets, TreeLimits(max_parts=5)).children) == 4


@pytest.mark.parametrize("boundary", ["x" * 2_049, "", "a\rb", " "])
def test_an_unusable_boundary_makes_one_part(boundary: str) -> None:
    """A boundary that is none leaves a text that is shown whole."""
    seen = mail(f'Content-Type: multipart/mixed; boundary="{boundary}"', "--x\n\nhello\n")
    assert len(list(seen.tree.walk())) == 1
    assert seen.text is not None
    assert "hello" in seen.text
