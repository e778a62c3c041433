"""Logs in to a server: with the best mechanism it offers, then the next one if that cannot work.

Outside of loopback, a password or token is sent only inside TLS. Each mechanism is tried once, and
only a server that refuses the mechanism itself (504, 534) is asked with another; a refused password
is not tried again.

RFC 4954 §4, §6.
"""

from __future__ import annotations

import secrets
import ssl
from typing import Final

from pillarbox.net.channel import Channel, OpenFailed
from pillarbox.net.channel_binding import server_end_point
from pillarbox.net.tokens import TokenUnavailable
from pillarbox.smtp.client_outcome import Stage
from pillarbox.smtp.sasl.selection import Login

__all__ = ["log_in"]

_NONCE_OCTETS: Final = 18


async def log_in(channel: Channel) -> None:
    """Log in as the channel's options say.

    Raises:
        OpenFailed: The token cannot be read, no mechanism is left that both sides take, or
            the server refuses us or cannot prove who it is.
    """
    connection = channel.connection
    login = await _login(channel)
    mechanism = connection.mechanism_for(login)
    if mechanism is None:
        raise _failed(channel, _why_none(channel, login))
    while True:
        connection.authenticate(login, secrets.token_urlsafe(_NONCE_OCTETS))
        reply = await channel.answer()
        if reply.is_positive:
            return
        following = connection.mechanism_for(login)
        if following is None or following == mechanism:
            break
        mechanism = following
    if channel.options.token is not None:
        channel.options.token.refused()
    detail = connection.login_failure
    words = f"the server said: {reply}" + (f" ({detail})" if detail else "")
    raise OpenFailed(Stage.AUTH, words, reply, channel.opening)


async def _login(channel: Channel) -> Login:
    options, endpoint = channel.options, channel.endpoint
    token = ""
    if options.token is not None:
        try:
            token = await options.token.current()
        except TokenUnavailable as error:
            raise _failed(channel, str(error)) from error
    return Login(
        user=options.user,
        password=options.password,
        token=token,
        mechanisms=options.mechanisms,
        in_clear=options.auth_in_clear,
        channel_binding=_channel_binding(channel),
        host=endpoint.host,
        port=endpoint.port,
    )


def _channel_binding(channel: Channel) -> bytes | None:
    transport = channel.transport
    if transport is None:
        return None
    session: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    certificate = None if session is None else session.getpeercert(binary_form=True)
    return server_end_point(certificate) if certificate else None


def _why_none(channel: Channel, login: Login) -> str:
    connection = channel.connection
    if not (connection.is_secure or login.in_clear):
        return f"no {'token' if login.token else 'password'} is sent without TLS"
    offered = " ".join(sorted(connection.extensions.auth)) or "none"
    return f"the server offers no mechanism that we can use (it offers: {offered})"


def _failed(channel: Channel, reason: str) -> OpenFailed:
    return OpenFailed(Stage.AUTH, reason, conversation=channel.opening)
