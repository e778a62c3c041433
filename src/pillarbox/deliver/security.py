"""The TLS requirements on the way to a destination, and to each of its hosts.

The order is that of the RFCs: what the operator configured, then DANE (RFC 7672), then MTA-STS
(RFC 8461 §2), then opportunistic STARTTLS. If a requirement cannot be met, the mail is deferred; it
is never sent in the clear instead. A sender may require more than the destination does, verified
TLS to an authenticated host, or less (RFC 8689 §4.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from pillarbox.config.settings import DeliverySettings, TlsDomainSettings, TlsMode, TlsPolicy
from pillarbox.deliver.resolve import Host
from pillarbox.deliver.sts import StsPolicies
from pillarbox.mailauth.dane import Plan, plan, tlsa_name
from pillarbox.mailauth.mta_sts import Mode, Policy
from pillarbox.mailauth.resolver import Resolver
from pillarbox.net.endpoint import ChannelOptions
from pillarbox.smtp.envelope import TlsRequired

__all__ = ["Refused", "Secured", "Security", "SecurityPolicies"]

_MODES: Final = {
    TlsPolicy.NONE: TlsMode.NONE,
    TlsPolicy.MAY: TlsMode.OPPORTUNISTIC,
    TlsPolicy.ENCRYPT: TlsMode.ENCRYPT,
    TlsPolicy.VERIFY: TlsMode.STARTTLS,
}


@dataclass(frozen=True, slots=True)
class Refused:
    """A host that must not be given mail now."""

    reason: str
    policy_type: str  # "tlsa", "sts": the policy's name in a TLS report (RFC 8460 §4.2)
    result_type: str  # the failure's name (RFC 8460 §4.3)
    is_final: bool = False  # whether waiting would not help
    policy_lines: tuple[str, ...] = ()  # the policy, line by line


@dataclass(frozen=True, slots=True, kw_only=True)
class Secured:
    """The TLS requirements for connecting to a host."""

    options: ChannelOptions
    policy_type: str  # "tlsa", "sts", "no-policy-found"; "": configured, not reported
    tries_first: ChannelOptions | None = None  # of a policy in testing mode: its requirements
    policy_lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """The requirements of mail to one destination."""

    destination: str
    policy: TlsPolicy = TlsPolicy.AUTO
    settings: TlsDomainSettings | None = None
    sts: Policy | None = None
    required: TlsRequired = TlsRequired.BY_POLICY  # the senders' requirements

    def is_shared(self, hosts: Iterable[Host]) -> bool:
        """Whether others with the same hosts may use the same connections."""
        if self.required is not TlsRequired.BY_POLICY or self.settings is not None or self.sts:
            return False
        if self.policy is TlsPolicy.MAY:
            return True
        # With DANE the requirements are the destination's own: its zone has to be signed, and a
        # certificate for its name is as good as the host's (RFC 7672 §2.2, §3.2.2).
        return self.policy is TlsPolicy.AUTO and not any(host.is_secure for host in hosts)

    @property
    def label(self) -> str:
        """Distinguishes connections for this destination from others to the same hosts."""
        asked = "" if self.sts is None else " ".join((self.sts.mode.value, *self.sts.mx))
        label = f"{self.destination} {self.policy.value} {asked}".strip()
        if self.required is TlsRequired.BY_POLICY:
            return label
        return f"{label}, TLS required: {self.required.value}"

    @property
    def enforces_sts(self) -> bool:
        """Whether the MTA-STS policy is enforced, not just tested."""
        return self.sts is not None and self.sts.mode is Mode.ENFORCE


class SecurityPolicies:
    """Finds the TLS requirements of destinations."""

    def __init__(
        self,
        delivery: DeliverySettings,
        domains: Mapping[str, TlsDomainSettings],
        resolver: Resolver,
        sts: StsPolicies | None,
    ) -> None:
        """Use these settings; without ``sts``, MTA-STS policies are not looked up."""
        self._delivery = delivery
        self._domains = dict(domains)
        self._resolver = resolver
        self._sts = sts

    def use(self, delivery: DeliverySettings, domains: Mapping[str, TlsDomainSettings]) -> None:
        """Use new settings."""
        self._delivery = delivery
        self._domains = dict(domains)

    async def of(self, destination: str, required: TlsRequired = TlsRequired.BY_POLICY) -> Security:
        """Return the TLS requirements of mail to a destination.

        Args:
            destination: The recipients' domain, or an address literal.
            required: The senders' requirements.
        """
        settings = self._domains.get(destination)
        policy = self._delivery.tls_policy if settings is None else settings.policy
        if required is TlsRequired.NO and policy is TlsPolicy.AUTO:
            # RFC 8689 §4.2.2: DANE and MTA-STS are ignored; the configuration is not.
            policy = TlsPolicy.MAY
        sts = None
        if self._sts is not None and policy in {TlsPolicy.AUTO, TlsPolicy.MTA_STS}:
            found = await self._sts.policy(destination)
            if found is not None and found.policy.mode is not Mode.NONE:
                sts = found.policy
        return Security(
            destination=destination, policy=policy, settings=settings, sts=sts, required=required
        )

    async def for_host(
        self, security: Security, host: Host, port: int, options: ChannelOptions
    ) -> Secured | Refused:
        """Return the TLS requirements for connecting to a host.

        Args:
            security: The destination's requirements.
            host: One of its hosts.
            port: Its port.
            options: The route's TLS options.
        """
        policy, settings = security.policy, security.settings
        mode = _MODES.get(policy)
        if security.required is TlsRequired.YES and policy is not TlsPolicy.VERIFY:
            return await self._by_sender(security, host, port, options)
        if mode is not None:
            fixed = replace(options, tls=mode, tls_ca=self._delivery.tls_ca)
            if settings is not None and policy is TlsPolicy.VERIFY:
                ca = settings.ca or self._delivery.tls_ca
                fixed = replace(fixed, tls_name=settings.name, tls_ca=ca)
            return Secured(options=fixed, policy_type="")
        if policy is not TlsPolicy.MTA_STS:
            found = await self._by_dane(security, host, port, options)
            if found is not None:
                return found
            if policy is TlsPolicy.DANE:
                return Refused(
                    f"{host.name} has no TLSA records that bind", "tlsa", "dane-required"
                )
        return self._by_sts(security, host, options)

    async def _by_sender(
        self, security: Security, host: Host, port: int, options: ChannelOptions
    ) -> Secured | Refused:
        """Return the requirements of REQUIRETLS (RFC 8689 §4.2.1).

        DNSSEC or an MTA-STS policy must prove that it is the right host, and the certificate that
        we are connected to it.
        """
        found = await self._by_dane(security, host, port, options)
        if isinstance(found, Refused) or (found is not None and found.options.tlsa):
            return found
        if security.enforces_sts:
            return self._by_sts(security, host, options)
        if not host.is_secure:
            reason = f"nothing proves that {host.name} is a host of {security.destination}"
            return Refused(reason, "", "", is_final=True)
        return Secured(options=self._verified(host, options), policy_type="")

    def _verified(self, host: Host, options: ChannelOptions) -> ChannelOptions:
        ca = self._delivery.tls_ca
        return replace(options, tls=TlsMode.STARTTLS, tls_name=host.name, tls_ca=ca)

    async def _by_dane(
        self, security: Security, host: Host, port: int, options: ChannelOptions
    ) -> Secured | Refused | None:
        if not host.is_secure:
            return None
        answer = await self._resolver.tlsa(tlsa_name(host.name, port))
        planned = plan(answer, host_is_secure=True)
        if planned.plan is Plan.NOTHING:
            return None
        if planned.plan is Plan.DEFER:
            return Refused(f"{host.name}: {planned.reason}", "tlsa", planned.result_type)
        return Secured(
            options=replace(
                options,
                tls=TlsMode.ENCRYPT,
                tls_name=host.name,
                tls_names=(security.destination,),
                tlsa=planned.records,
            ),
            policy_type="tlsa",
            policy_lines=tuple(map(str, planned.records)),
        )

    def _by_sts(self, security: Security, host: Host, options: ChannelOptions) -> Secured | Refused:
        sts = security.sts
        if sts is None:
            if security.policy is TlsPolicy.MTA_STS:
                reason = f"{security.destination} has no MTA-STS policy"
                return Refused(reason, "sts", "sts-policy-fetch-error")
            return Secured(options=options, policy_type="no-policy-found")
        # RFC 8461 §4.2: the certificate has to match the host; TLS 1.2 or later.
        strict = self._verified(host, options)
        if not security.enforces_sts:
            return Secured(
                options=options, policy_type="sts", tries_first=strict, policy_lines=sts.lines
            )
        if not sts.matches(host.name):
            reason = f"{host.name} is not among the hosts of the MTA-STS policy"
            return Refused(reason, "sts", "validation-failure", policy_lines=sts.lines)
        return Secured(options=strict, policy_type="sts", policy_lines=sts.lines)
