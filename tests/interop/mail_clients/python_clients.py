"""The calls of mailpit-api-client and mailhog (PyPI), with only the address changed."""

from __future__ import annotations

import smtplib
import sys
from email.message import EmailMessage
from urllib.parse import urlsplit

from mailhog import Mailhog
from mailpit.client.api import API

base, smtp_port = sys.argv[1], int(sys.argv[2])


def send(subject: str, to: str = "bo@example.com") -> None:
    message = EmailMessage()
    message["From"] = "Ann <ann@example.com>"
    message["To"] = to
    message["Subject"] = subject
    message["Message-ID"] = f"<{subject}@example.com>"
    message["Delivered-To"] = to  # the client cannot do without
    message["Date"] = "Sat, 21 Nov 2026 10:00:00 +0000"
    message.set_content(f"Text of {subject}")
    message.add_attachment("a note", filename="note.txt")
    with smtplib.SMTP("127.0.0.1", smtp_port) as client:
        client.send_message(message)


def mailpit() -> None:
    api = API(base)
    api.delete_messages([])
    send("one")
    send("two")
    messages = api.get_messages()
    assert messages.total == 2, messages
    assert [summary.subject for summary in messages.messages] == ["two", "one"]
    message = api.get_message(messages.messages[0].id)
    assert message.text.strip() == "Text of two"
    assert message.from_.address == "ann@example.com"
    assert message.attachments[0].file_name == "note.txt"
    part = message.attachments[0].part_id
    assert api.get_message_attachment(message.id, part).strip() == "a note"
    assert api.get_message_headers(message.id).additional["Subject"] == ["two"]
    api.put_messages([message.id], "Read", False)
    assert api.get_messages().unread == 2
    # The client sends a form here, which Mailpit takes for "remove everything".
    api.delete_messages([message.id])
    assert [summary.subject for summary in api.get_messages().messages] == ["one"]
    api.delete_messages([])
    assert api.get_messages().total == 0


def mailhog() -> None:
    place = urlsplit(base)
    client = Mailhog(place.hostname, place.port)
    send("three", "cy@example.com")
    send("four")
    messages = client.messages()
    assert messages.total == 2
    assert messages.items[0].get_subject() == "four"
    found = client.search("cy@example.com", kind="to")
    assert found.count == 1
    client.delete(found.items[0])
    assert client.messages().total == 1
    client.delete_all()
    assert client.messages().total == 0


mailpit()
mailhog()
print("ok")
