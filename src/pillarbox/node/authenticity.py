"""Builds signing and verification from the configuration of a node."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from ipaddress import ip_network

from pillarbox.authenticity.disposition import SenderPolicy
from pillarbox.authenticity.judging import Judges, JudgingInspector, Observer
from pillarbox.authenticity.logo import PublicLogos
from pillarbox.authenticity.signing import OwnSignatures, SigningInspector
from pillarbox.config.settings import (
    ListenerKind,
    OrganizationalDomain,
    QuarantineAction,
    Settings,
)
from pillarbox.events.types import Sink
from pillarbox.intake.inspection import Inspector
from pillarbox.keyring.ring import KeyRing
from pillarbox.mailauth import dmarc
from pillarbox.mailauth.arc import Sealer
from pillarbox.mailauth.resolver import Resolver
from pillarbox.mailauth.verification import Verifier
from pillarbox.net.tls import TlsContexts
from pillarbox.policy.networks import TrustedNetworks
from pillarbox.policy.recipients import LocalDomains
from pillarbox.smtp.envelope import Envelope

__all__ = ["Authenticity"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticity:
    """What signing and verification need from the node."""

    hostname: str
    resolver: Resolver
    contexts: TlsContexts
    ring: Callable[[], KeyRing]
    executor: Executor
    now: Callable[[], float]
    sink: Sink
    observe: Observer | None = None

    def judging(self, settings: Settings, domains: LocalDomains) -> tuple[Inspector, ...]:
        """Return the inspector that authenticates incoming mail, if configured."""
        if not settings.verify.enabled:
            return ()
        judges = self._judges(settings, domains)
        return (JudgingInspector(judges, self.executor, self.now, self.sink),)

    def signing(self) -> Inspector:
        """Return the inspector that signs submitted mail."""
        return SigningInspector(self.ring, self.executor, self.now)

    def own_signatures(self) -> OwnSignatures:
        """Return the signer of the node's own messages."""
        return OwnSignatures(self.ring, self.executor, self.now)

    def _judges(self, settings: Settings, domains: LocalDomains) -> Judges:
        verify = settings.verify
        authserv_id = verify.authserv_id or self.hostname
        is_list = verify.organizational_domain is OrganizationalDomain.SUFFIX_LIST

        def is_forward(envelope: Envelope) -> bool:
            return not all(
                domains.is_local(each.address.ascii_domain) for each in envelope.recipients
            )

        def sealer() -> Sealer | None:
            if not verify.seal:
                return None
            wanted = (verify.seal_domain,) if verify.seal_domain else domains.names
            ring = self.ring()
            for name in wanted:
                signer = ring.signer_for(name)
                if signer is not None:
                    return Sealer(signer.keys[0])
            return None

        return Judges(
            verifier=Verifier(
                resolver=self.resolver,
                mode=dmarc.Mode.SUFFIX_LIST if is_list else dmarc.Mode.TREE_WALK,
                hostname=self.hostname,
                wants_bimi=verify.bimi,
                fetcher=PublicLogos(self.resolver, self.contexts.verified),
            ),
            policy=SenderPolicy(
                enforcement=verify.dmarc,
                holds_quarantined=verify.quarantine is QuarantineAction.HOLD,
            ),
            authserv_id=authserv_id,
            trusted_forwarders=frozenset(name.lower() for name in verify.trusted_forwarders),
            listeners=frozenset(verify.listeners) or _mx_listeners(settings),
            exempt=TrustedNetworks(ip_network(text) for text in verify.except_networks),
            patience=verify.timeout,
            is_forward=is_forward,
            sealer=sealer,
            observe=self.observe,
        )


def _mx_listeners(settings: Settings) -> frozenset[str]:
    return frozenset(
        name for name, listener in settings.listener.items() if listener.kind is ListenerKind.MX
    )
