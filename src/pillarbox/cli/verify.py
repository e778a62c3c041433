"""``pillarbox verify``: verifies a message's sender; without a message, the store."""

from __future__ import annotations

import asyncio
import re
from ipaddress import ip_address
from pathlib import Path
from typing import BinaryIO, Final

import click

from pillarbox.authenticity.logo import PublicLogos
from pillarbox.cli.context import FAILED, Context, pass_context
from pillarbox.cli.dns import dns_options, open_resolver
from pillarbox.cli.store import verify_store
from pillarbox.cli.verification import print_verification, verification_object
from pillarbox.clock import SystemClock
from pillarbox.errors import PermanentError
from pillarbox.mailauth.dmarc import Mode, Result
from pillarbox.mailauth.verification import Client, Verification, Verifier
from pillarbox.message.header import scan_header
from pillarbox.net.tls import TlsContexts
from pillarbox.smtp.domain import is_hello_name
from pillarbox.smtp.path import parse_mailbox

__all__ = ["verify"]

_LINE_END: Final = re.compile(rb"\r?\n")
_CHUNK: Final = 1024 * 1024
_SOUND: Final = frozenset({Result.PASS, Result.NONE})


@click.command()
@click.argument("message", required=False, type=click.File("rb"))
@click.option("--ip", metavar="ADDRESS", help="Address of the client that delivered the message.")
@click.option("--helo", metavar="NAME", help="Name of the client in EHLO.")
@click.option("--from", "sender", metavar="PATH", help='The reverse-path; "<>" is the null one.')
@click.option("--authserv-id", default="localhost", help="Our name in Authentication-Results.")
@click.option(
    "--psl", is_flag=True, help="Use the public suffix list for DMARC, as before RFC 9989."
)
@dns_options
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON; for the store, one object per finding."
)
@pass_context
def verify(
    context: Context,
    message: BinaryIO | None,
    ip: str | None,
    helo: str | None,
    sender: str | None,
    authserv_id: str,
    psl: bool,  # noqa: FBT001 - click
    zone: Path | None,
    servers: tuple[str, ...],
    as_json: bool,  # noqa: FBT001 - click
) -> None:
    """Verify the sender of MESSAGE as a receiver would: iprev, SPF, DKIM, DMARC, ARC and BIMI.

    MESSAGE is a file, or - for standard input. Without --ip nothing is said of the client, and
    the message is judged by what it carries. Exits with 1 if DMARC does not pass although a
    record applies.

    Without MESSAGE, the whole store is checked: its structure, the checksums of bodies, the
    states.
    """
    if message is None:
        verify_store(context, as_json=as_json)
        return
    client = _client(ip, helo, sender)
    octets = _LINE_END.sub(b"\r\n", message.read())
    with context.errors():
        resolver = open_resolver(zone, servers)
        # With a zone file nothing is asked of the network, and no logo fetched.
        logos = None if zone else PublicLogos(resolver, TlsContexts().verified)
        verifier = Verifier(
            resolver=resolver,
            fetcher=logos,
            mode=Mode.SUFFIX_LIST if psl else Mode.TREE_WALK,
            hostname=authserv_id,
            wants_bimi=True,
        )
        found = asyncio.run(_verify(verifier, octets, client))
    if as_json:
        context.out.json(verification_object(found, authserv_id))
    else:
        print_verification(context.out, found, authserv_id)
    if found.dmarc.result not in _SOUND:
        raise click.exceptions.Exit(FAILED)


async def _verify(verifier: Verifier, octets: bytes, client: Client) -> Verification:
    header = scan_header(octets)
    examination = verifier.begin(header, client)
    for start in range(header.size, len(octets), _CHUNK):
        examination.feed(octets[start : start + _CHUNK])
    return await examination.conclude(now=SystemClock().now())


def _client(ip: str | None, helo: str | None, sender: str | None) -> Client:
    """Return what is said of the session.

    Raises:
        click.BadParameter: Something is not what it should be.
    """
    if ip is None:
        if helo is not None or sender is not None:
            raise click.UsageError("--helo and --from say nothing without --ip.")
        return Client()
    try:
        ip_address(ip)
    except ValueError:
        raise click.BadParameter(f"{ip!a} is no IP address", param_hint="--ip") from None
    if helo is not None and not is_hello_name(helo):
        raise click.BadParameter(f"{helo!a} is no host name", param_hint="--helo")
    path = None
    if sender is not None and sender.strip("<>"):
        try:
            path = parse_mailbox(sender.removeprefix("<").removesuffix(">"))
        except PermanentError as error:
            raise click.BadParameter(str(error), param_hint="--from") from None
    return Client(address=ip, helo=helo or "", reverse_path=path)
