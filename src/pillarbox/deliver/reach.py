"""What delivery needs to find and reach other servers."""

from __future__ import annotations

from dataclasses import dataclass, field

from pillarbox.deliver.forwarding import EnvelopeOf
from pillarbox.deliver.job import Job
from pillarbox.deliver.security import SecurityPolicies
from pillarbox.mailauth.resolver import Resolver
from pillarbox.net.dialer import Dialer
from pillarbox.net.tls import TlsContexts

__all__ = ["Reach"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """The outside services that delivery needs."""

    resolver: Resolver
    dialer: Dialer
    security: SecurityPolicies  # what destinations require of TLS
    contexts: TlsContexts = field(default_factory=TlsContexts)
    own_addresses: frozenset[str] = frozenset()  # as text: mail for them would loop
    envelope_of: EnvelopeOf = Job.envelope  # the envelope for sending a job
