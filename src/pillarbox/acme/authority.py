"""Obtains one certificate from one authority: account, order, challenges, download (RFC 8555 §7).

The protocol is that of the ``acme`` library. It blocks on the network, so it runs in a thread;
every error it raises becomes a ``TemporaryError``.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Final

import requests
from acme import challenges, client, crypto_util, errors, messages
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from pillarbox import __version__
from pillarbox.acme.files import account_key, write
from pillarbox.acme.proofs import Proof
from pillarbox.acme.wanted import Wanted
from pillarbox.config.settings import AcmeChallenge, AcmeSettings
from pillarbox.errors import PermanentError, TemporaryError

__all__ = ["Authority"]

_PATIENCE: Final = dt.timedelta(minutes=10)
_CHALLENGES: Final = {
    AcmeChallenge.HTTP: challenges.HTTP01,
    AcmeChallenge.DNS: challenges.DNS01,
}


class Authority:
    """A certificate authority, and our account there."""

    def __init__(self, settings: AcmeSettings, proof: Proof, directory: Path) -> None:
        """Prepare; nothing is requested yet.

        Args:
            settings: The authority, and how to prove control of names.
            proof: Answers the challenges.
            directory: Where the account's key is stored.
        """
        self._settings = settings
        self._proof = proof
        self._directory = directory

    def fetch(self, wanted: Wanted) -> None:
        """Write the certificate and its key; takes seconds to minutes.

        Raises:
            TemporaryError: It did not work now; the reason says what the authority said.
        """
        try:
            self._fetch(wanted)
        except (errors.Error, messages.Error, requests.RequestException, OSError) as error:
            raise TemporaryError(f"{self._settings.directory}: {_explained(error)}") from error
        except PermanentError as error:
            raise TemporaryError(str(error)) from error

    def _fetch(self, wanted: Wanted) -> None:
        authority = self._log_in()
        key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        order = authority.new_order(crypto_util.make_csr(key, list(wanted.names)))
        shown: list[tuple[str, str, str]] = []
        try:
            for authorization in order.authorizations:
                if authorization.body.status is not messages.STATUS_VALID:
                    self._prove(authority, authorization.body, shown)
            # The library compares it with its own naive time.
            deadline = dt.datetime.now() + _PATIENCE  # noqa: DTZ005, TID251 - see above
            order = authority.poll_and_finalize(order, deadline)
        finally:
            for name, place, value in shown:
                self._proof.take_away(name, place, value)
        # The key first: a certificate without its key is useless.
        write(wanted.key, key, 0o600)
        write(wanted.certificate, order.fullchain_pem.encode("ascii"), 0o644)

    def _prove(
        self,
        authority: client.ClientV2,
        authorization: messages.Authorization,
        shown: list[tuple[str, str, str]],
    ) -> None:
        kind = _CHALLENGES[self._settings.challenge]
        name = authorization.identifier.value
        for offered in authorization.challenges:
            if isinstance(offered.chall, kind):
                response, value = offered.response_and_validation(authority.net.key)
                place = _place(offered.chall, name)
                shown.append((name, place, value))
                self._proof.show(name, place, value)
                authority.answer_challenge(offered, response)
                return
        raise PermanentError(f"no {self._settings.challenge.value} is offered for {name}")

    def _log_in(self) -> client.ClientV2:
        settings = self._settings
        net = client.ClientNetwork(
            JWKEC(key=account_key(self._directory)),
            alg=ES256,
            # The library hands it on: a path names the authorities to trust.
            verify_ssl=True if settings.ca is None else str(settings.ca),  # type: ignore[arg-type]
            user_agent=f"pillarbox/{__version__}",
        )
        authority = client.ClientV2(client.ClientV2.get_directory(settings.directory, net), net)
        wish = messages.NewRegistration.from_data(
            email=settings.contact or None, terms_of_service_agreed=settings.agree
        )
        try:
            authority.new_account(wish)
        except errors.ConflictError as known:
            account = messages.RegistrationResource(
                uri=known.location, body=messages.Registration()
            )
            authority.query_registration(account)
        return authority


def _place(challenge: challenges.Challenge, name: str) -> str:
    if isinstance(challenge, challenges.DNS01):
        return challenge.validation_domain_name(name)
    if isinstance(challenge, challenges.HTTP01):
        return str(challenge.encode("token"))
    raise PermanentError(f"{type(challenge).__name__} is not a challenge that we answer")


def _explained(error: BaseException) -> str:
    if isinstance(error, errors.ValidationError):
        return "; ".join(
            f"{each.body.identifier.value}: {offered.error.detail}"
            for each in error.failed_authzrs
            for offered in each.body.challenges
            if offered.error is not None
        )
    return str(error) or type(error).__name__
