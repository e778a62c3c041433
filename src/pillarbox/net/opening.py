"""Opens a channel: dial, greet, secure, log in (RFC 5321 §3.1, RFC 3207, RFC 4954)."""

from __future__ import annotations

import asyncio
import ssl
from functools import partial
from typing import Final

from pillarbox.config.settings import TlsMode
from pillarbox.mailauth.dane import match_chain
from pillarbox.net.channel import Channel, OpenFailed
from pillarbox.net.dialer import Dialer, DialError
from pillarbox.net.endpoint import ChannelOptions, Endpoint
from pillarbox.net.logging_in import log_in
from pillarbox.net.tls import TlsContexts, TlsFailed, describe, handshake, shown_chain
from pillarbox.smtp.client_outcome import Stage
from pillarbox.smtp.reply import Reply

__all__ = ["open_channel"]

_BY_COMMAND: Final = frozenset({TlsMode.OPPORTUNISTIC, TlsMode.ENCRYPT, TlsMode.STARTTLS})


async def open_channel(
    endpoint: Endpoint, options: ChannelOptions, dialer: Dialer, contexts: TlsContexts
) -> Channel:
    """Open a channel that is ready for messages.

    In mode ``may``, TLS is used if offered; if it then fails, the mail is sent in the clear over a
    new connection (``Channel.tls`` is None, ``opening`` says why).

    Args:
        endpoint: Where to.
        options: The options.
        dialer: Who opens the connection.
        contexts: The process's TLS contexts.

    Raises:
        OpenFailed: The server cannot be reached, refuses us, or does not meet the options.
    """
    try:
        channel = await _open(endpoint, options, options.tls, dialer, contexts)
    except OpenFailed as failure:
        if options.tls is not TlsMode.OPPORTUNISTIC or failure.stage is not Stage.TLS:
            raise
        channel = await _open(endpoint, options, TlsMode.NONE, dialer, contexts)
        channel.tls_failure = failure
        channel.connection.record.note(f"in the clear, since {failure.reason}")
    channel.reopen = partial(_reopen, endpoint, dialer, contexts)
    return channel


async def _reopen(
    endpoint: Endpoint, dialer: Dialer, contexts: TlsContexts, options: ChannelOptions
) -> Channel:
    return await open_channel(endpoint, options, dialer, contexts)


async def _open(
    endpoint: Endpoint,
    options: ChannelOptions,
    mode: TlsMode,
    dialer: Dialer,
    contexts: TlsContexts,
) -> Channel:
    channel = Channel(endpoint, options, is_secure=mode is TlsMode.IMPLICIT)
    try:
        await _connect(channel, mode, dialer, contexts)
        _expect(channel, Stage.GREETING, await channel.answer())
        await _greet(channel)
        if mode in _BY_COMMAND:
            await _start_tls(channel, mode, contexts)
        if options.user:
            await log_in(channel)
    except BaseException:
        channel.close("not opened")
        raise
    return channel


def _expect(channel: Channel, stage: Stage, reply: Reply) -> None:
    if not reply.is_positive:
        raise OpenFailed(stage, f"the server said: {reply}", reply, channel.opening)


async def _connect(channel: Channel, mode: TlsMode, dialer: Dialer, contexts: TlsContexts) -> None:
    endpoint, options = channel.endpoint, channel.options
    is_implicit = mode is TlsMode.IMPLICIT
    try:
        transport = await dialer.connect(
            # Until TLS is up, incoming data must not reach the channel.
            asyncio.Protocol if is_implicit else lambda: channel,
            endpoint.address,
            endpoint.port,
            source=options.source,
            timeout=options.timeouts.connect_timeout,
        )
    except DialError as error:
        raise OpenFailed(Stage.CONNECT, str(error)) from error
    channel.attach(transport)
    if is_implicit:
        await _shake_hands(channel, mode, contexts)


async def _greet(channel: Channel) -> None:
    channel.connection.hello()
    _expect(channel, Stage.HELLO, await channel.answer())


async def _start_tls(channel: Channel, mode: TlsMode, contexts: TlsContexts) -> None:
    connection = channel.connection
    if not connection.extensions.starttls:
        if mode is TlsMode.OPPORTUNISTIC:
            return
        raise OpenFailed(
            Stage.TLS,
            "the server does not offer STARTTLS",
            conversation=channel.opening,
            result_type="starttls-not-supported",
        )
    connection.start_tls()
    _expect(channel, Stage.TLS, await channel.answer())
    if connection.is_closed:  # it sent something after its 220
        raise OpenFailed(Stage.TLS, channel.closing_reason, conversation=channel.opening)
    await _shake_hands(channel, mode, contexts)
    connection.tls_started()
    await _greet(channel)


async def _shake_hands(channel: Channel, mode: TlsMode, contexts: TlsContexts) -> None:
    options = channel.options
    name = options.tls_name or channel.endpoint.host
    transport = channel.transport
    if transport is None:
        raise OpenFailed(Stage.TLS, channel.closing_reason, conversation=channel.opening)
    try:
        context = _context(contexts, mode, options)
        upgraded = await handshake(
            transport, channel, context, name=name, limit=options.timeouts.connect_timeout
        )
        how = _check_chain(upgraded, channel) if options.tlsa else ""
    except TlsFailed as error:
        raise OpenFailed(
            Stage.TLS,
            str(error),
            conversation=channel.opening,
            result_type=error.result_type,
        ) from error
    channel.attach(upgraded)
    channel.tls = describe(upgraded, is_verified=bool(how))
    if not how:
        is_verified = channel.tls is not None and channel.tls.is_verified
        how = "verified" if is_verified else "not verified"
    channel.connection.record.note(f"{channel.tls}, {how}")


def _check_chain(transport: asyncio.Transport, channel: Channel) -> str:
    """Check the server's certificates against its TLSA records; return the match.

    Raises:
        TlsFailed: They do not match; the connection is closed.
    """
    options = channel.options
    names = (channel.endpoint.host, *options.tls_names)
    found = match_chain(options.tlsa, shown_chain(transport), names, now=options.now())
    if not found.matches:
        transport.abort()
        raise TlsFailed(f"DANE: {found.reason}", found.result_type)
    return f"verified by DANE: {found.reason}"


def _context(contexts: TlsContexts, mode: TlsMode, options: ChannelOptions) -> ssl.SSLContext:
    if mode is not TlsMode.STARTTLS and mode is not TlsMode.IMPLICIT:
        return contexts.opportunistic()
    return contexts.verified(options.tls_ca)
