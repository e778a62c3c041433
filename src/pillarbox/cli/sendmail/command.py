"""``pillarbox-sendmail``: the sendmail command for programs, cron and scripts.

It submits what it reads to the node by SMTP. Guarantees: with exit status 0 the node has
the message on its disk; with 75 the server could not be reached and the message is kept in
the drop directory, from where ``pillarbox-sendmail -q`` submits it. The exit statuses are
those of sysexits.h: 64 usage, 65 data, 67 no such user, 69 refused, 75 kept for later,
77 no permission.
"""

from __future__ import annotations

import getpass
import os
import socket
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from pillarbox.cli.sendmail import drop
from pillarbox.cli.sendmail.arguments import Arguments, parse_arguments
from pillarbox.cli.sendmail.message import (
    NotAMessage,
    header_recipients,
    message_of_input,
    with_author,
    without_bcc,
)
from pillarbox.cli.sendmail.stdio import relay_stdio
from pillarbox.cli.sendmail.submission import (
    Refused,
    Server,
    Submission,
    Unreachable,
    parse_url,
    submit,
)
from pillarbox.config.endpoints import parse_endpoint
from pillarbox.config.error import ConfigError
from pillarbox.config.loader import load
from pillarbox.config.settings import ListenerKind, SandboxSettings
from pillarbox.errors import PillarboxError, TemporaryError
from pillarbox.events.text import escape
from pillarbox.message.header import HeaderRefused

__all__ = ["main", "run"]

_OK: Final = 0
_USAGE: Final = 64
_DATAERR: Final = 65
_NOUSER: Final = 67
_UNAVAILABLE: Final = 69
_TEMPFAIL: Final = 75
_NOPERM: Final = 77
_DEFAULT: Final = Server(host="127.0.0.1", port=2525)
_STATUS_BY_STAGE: Final = {"sender": _NOPERM, "auth": _NOPERM, "hello": _UNAVAILABLE}
_TRANSIENT: Final = range(400, 500)


def main() -> None:
    """Run ``sendmail`` and exit."""
    sys.exit(run(sys.argv, os.environ))


def run(argv: list[str], environ: Mapping[str, str]) -> int:
    """Do what the arguments say; return the exit status."""
    arguments = parse_arguments(argv[0], argv[1:])
    if arguments.server:
        environ = {**environ, "PILLARBOX_SENDMAIL": f"smtp://{arguments.server}"}
        if parse_url(environ["PILLARBOX_SENDMAIL"]) is None:
            return _fail(_USAGE, f"-S {arguments.server}: write it as HOST:PORT")
    return _run(arguments, environ)


def _run(arguments: Arguments, environ: Mapping[str, str]) -> int:
    if arguments.mode == "p":
        return _list_queue(environ)
    if arguments.mode == "i":
        return _OK  # aliases are read from their file; there is nothing to rebuild
    if arguments.mode == "s":
        server = _server(environ)
        return _OK if relay_stdio(server.host, server.port) else _TEMPFAIL
    if arguments.mode != "m":
        return _fail(
            _USAGE, f"-b{arguments.mode} is not known; start the server by `pillarbox serve`"
        )
    if arguments.flushes:
        return _flush(environ)
    try:
        submission = _compose(arguments)
    except (NotAMessage, HeaderRefused) as error:
        return _fail(_DATAERR, str(error))
    if not submission.recipients:
        return _fail(_USAGE, "no recipient is named; give addresses, or -t and a To field")
    if wrong := _unsendable(submission):
        return _fail(_DATAERR, f"{wrong!r} is not an address")
    return _submit(submission, environ)


def _compose(arguments: Arguments) -> Submission:
    octets = sys.stdin.buffer.read()
    content = message_of_input(octets, ignores_dots=arguments.ignores_dots)
    recipients = list(arguments.recipients)
    if arguments.reads_recipients:
        recipients += [each for each in header_recipients(content) if each not in recipients]
        content = without_bcc(content)
    sender = _own_address() if arguments.sender is None else _qualified(arguments.sender)
    author = sender or _own_address()
    return Submission(
        sender=sender,
        recipients=[_qualified(recipient) for recipient in recipients],
        content=with_author(content, author, arguments.full_name),
        notify=arguments.notify,
        ret=arguments.ret,
        envelope_id=arguments.envelope_id,
    )


def _own_address() -> str:
    return _qualified(getpass.getuser())


def _qualified(address: str) -> str:
    """Return an address with a domain: cron sends to ``root``."""
    address = address.strip().removeprefix("<").removesuffix(">")
    return address if "@" in address or not address else f"{address}@{socket.getfqdn()}"


def _unsendable(submission: Submission) -> str:
    """Return an address that could not be put on a command line, or ""."""
    for address in (submission.sender, *submission.recipients):
        if any(letter <= " " or letter in "<>" for letter in address):
            return address
    return ""


def _submit(submission: Submission, environ: Mapping[str, str]) -> int:
    try:
        refused = submit(_server(environ), submission)
    except Unreachable as error:
        return _keep(submission, environ, str(error))
    except Refused as error:
        return _fail(_STATUS_BY_STAGE.get(error.stage, _DATAERR), f"refused: {error}")
    return _settle(submission, refused, environ)


def _settle(
    submission: Submission, refused: dict[str, tuple[int, str]], environ: Mapping[str, str]
) -> int:
    """Keep the message for recipients that were refused for now; complain about the rest."""
    status = _OK
    later = [address for address, (code, _) in refused.items() if code in _TRANSIENT]
    if later:
        submission.recipients = later
        status = _keep(submission, environ, f"{refused[later[0]][0]} {refused[later[0]][1]}")
    for address, (code, text) in refused.items():
        if code not in _TRANSIENT:
            status = _fail(_NOUSER, f"{address}: {code} {text}")
    return status


def _keep(submission: Submission, environ: Mapping[str, str], reason: str) -> int:
    directory = drop.drop_directory(environ)
    try:
        path = drop.keep(directory, submission)
    except OSError as error:
        return _fail(_TEMPFAIL, f"{reason}; and it could not be kept in {directory}: {error}")
    return _fail(_TEMPFAIL, f"{reason}; kept as {path}, `pillarbox-sendmail -q` sends it")


def _flush(environ: Mapping[str, str]) -> int:
    """Submit what was kept; what is refused for good stays under another name."""
    server = _server(environ)
    status = _OK
    for path in drop.dropped(drop.drop_directory(environ)):
        submission = drop.read(path)
        if submission is None:
            status = _fail(_DATAERR, f"{path} is not a kept message")
            continue
        try:
            refused = submit(server, submission)
        except Unreachable as error:
            return _fail(_TEMPFAIL, str(error))
        except Refused as error:
            refused = dict.fromkeys(submission.recipients, (550, str(error)))
        status = _settle_kept(path, submission, refused) or status
    return status


def _settle_kept(path: Path, submission: Submission, refused: dict[str, tuple[int, str]]) -> int:
    if not refused:
        path.unlink()
        return _OK
    submission.recipients = list(refused)
    rest = drop.keep(path.parent, submission)
    path.unlink()
    code, text = next(iter(refused.values()))
    if all(code in _TRANSIENT for code, _ in refused.values()):
        return _fail(_TEMPFAIL, f"{rest}: {code} {text}")
    rest.rename(rest.with_suffix(".refused"))
    return _fail(_UNAVAILABLE, f"{rest.with_suffix('.refused')}: {code} {text}")


def _server(environ: Mapping[str, str]) -> Server:
    """Return the server to submit to: the environment's, the configuration's, or the usual."""
    for name in ("PILLARBOX_SENDMAIL", "EMAIL_URL"):
        if (url := environ.get(name)) and (server := parse_url(url)):
            return server
    try:
        settings = load(None, environ).settings
    except ConfigError:
        return _DEFAULT  # most users may not read it, and cron still has to send
    for kind in (ListenerKind.SUBMISSION, ListenerKind.SANDBOX):
        for listener in settings.listener.values():
            if listener.kind is kind and (server := _first(listener.bind)):
                return server
    # Of a file that is there for `pillarbox sandbox`; one that says nothing is a node's.
    is_sandbox = settings.sandbox != SandboxSettings()
    return (_first(settings.sandbox.smtp) if is_sandbox else None) or _DEFAULT


def _first(binds: Iterable[str]) -> Server | None:
    """Return the first place where a listener can be reached from here."""
    for bind in binds:
        endpoint = parse_endpoint(bind)
        if endpoint is not None and endpoint.port:
            host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(endpoint.host, endpoint.host)
            return Server(host=host, port=endpoint.port)
    return None


def _list_queue(environ: Mapping[str, str]) -> int:
    # Only imported by who asks for it: it takes longer than a submission.
    from pillarbox.cli.sendmail.mailq import mailq  # noqa: PLC0415

    try:
        mailq(environ)
    except PillarboxError as error:
        is_temporary = isinstance(error, TemporaryError)
        return _fail(_TEMPFAIL if is_temporary else _UNAVAILABLE, str(error))
    return _OK


def _fail(status: int, text: str) -> int:
    sys.stderr.write(f"sendmail: {escape(text)}\n")
    return status
