"""Every setting of pillarbox: its type, its default, and its meaning.

A setting is a field of a frozen type, with its documentation beside it; ``docs/configuration.md``
is generated from here. Durations are seconds and sizes octets in these types; in the file they may
have a unit (``"5 min"``, ``"64 KiB"``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pillarbox.config.settings.abuse import (
    CheckAction,
    ClientNameSettings,
    DnsListAction,
    DnsListKind,
    DnsListSettings,
    GreylistSettings,
    GuessSettings,
    HarvestSettings,
    OverRate,
    RateSettings,
    RateSubject,
    ScreeningSettings,
)
from pillarbox.config.settings.access import AuthSettings, SourceKind, SourceSettings
from pillarbox.config.settings.authenticity import (
    DmarcEnforcement,
    OrganizationalDomain,
    QuarantineAction,
    VerifySettings,
)
from pillarbox.config.settings.declaration import Unit
from pillarbox.config.settings.hooks import HookFailure, HookSettings
from pillarbox.config.settings.local import DomainSettings, SrsSettings
from pillarbox.config.settings.node import (
    ControlSettings,
    LogFormat,
    LogSettings,
    NodeSettings,
    StoreSettings,
)
from pillarbox.config.settings.policy import (
    OwnerSettings,
    PolicySettings,
    RuleAction,
    RuleSettings,
)
from pillarbox.config.settings.receiving import (
    AcmeChallenge,
    AcmeSettings,
    CertificateSettings,
    IntakeSettings,
    LimitSettings,
    ListenerKind,
    ListenerSettings,
    TlsSettings,
    UnknownNames,
)
from pillarbox.config.settings.reports import (
    HttpsSettings,
    MtaStsMode,
    ReportSettings,
    StsDomainSettings,
)
from pillarbox.config.settings.sandbox import (
    SandboxAuth,
    SandboxProjectSettings,
    SandboxSettings,
)
from pillarbox.config.settings.sandbox_outward import (
    SandboxForwardSettings,
    SandboxReleaseSettings,
    SandboxWebhookSettings,
)
from pillarbox.config.settings.sending import (
    DeliverySettings,
    DnsSettings,
    QueueSettings,
    RouteKind,
    RouteSettings,
    TlsDomainSettings,
    TlsMode,
    TlsPolicy,
    UncertainPolicy,
)
from pillarbox.config.settings.signing import (
    DkimAlgorithm,
    DkimCanonicalization,
    DkimDomainSettings,
    DkimSettings,
)

__all__ = [
    "AcmeChallenge",
    "AcmeSettings",
    "AuthSettings",
    "CertificateSettings",
    "CheckAction",
    "ClientNameSettings",
    "ControlSettings",
    "DeliverySettings",
    "DkimAlgorithm",
    "DkimCanonicalization",
    "DkimDomainSettings",
    "DkimSettings",
    "DmarcEnforcement",
    "DnsListAction",
    "DnsListKind",
    "DnsListSettings",
    "DnsSettings",
    "DomainSettings",
    "GreylistSettings",
    "GuessSettings",
    "HarvestSettings",
    "HookFailure",
    "HookSettings",
    "HttpsSettings",
    "IntakeSettings",
    "LimitSettings",
    "ListenerKind",
    "ListenerSettings",
    "LogFormat",
    "LogSettings",
    "MtaStsMode",
    "NodeSettings",
    "OrganizationalDomain",
    "OverRate",
    "OwnerSettings",
    "PolicySettings",
    "QuarantineAction",
    "QueueSettings",
    "RateSettings",
    "RateSubject",
    "ReportSettings",
    "RouteKind",
    "RouteSettings",
    "RuleAction",
    "RuleSettings",
    "SandboxAuth",
    "SandboxForwardSettings",
    "SandboxProjectSettings",
    "SandboxReleaseSettings",
    "SandboxSettings",
    "SandboxWebhookSettings",
    "ScreeningSettings",
    "Settings",
    "SourceKind",
    "SourceSettings",
    "SrsSettings",
    "StoreSettings",
    "StsDomainSettings",
    "TlsDomainSettings",
    "TlsMode",
    "TlsPolicy",
    "TlsSettings",
    "UncertainPolicy",
    "Unit",
    "UnknownNames",
    "VerifySettings",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A whole configuration."""

    node: NodeSettings = field(default_factory=NodeSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    tls: TlsSettings = field(default_factory=TlsSettings)
    acme: AcmeSettings = field(default_factory=AcmeSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    intake: IntakeSettings = field(default_factory=IntakeSettings)
    auth: AuthSettings = field(default_factory=AuthSettings)
    policy: PolicySettings = field(default_factory=PolicySettings)
    verify: VerifySettings = field(default_factory=VerifySettings)
    srs: SrsSettings = field(default_factory=SrsSettings)
    guessing: GuessSettings = field(default_factory=GuessSettings)
    harvesting: HarvestSettings = field(default_factory=HarvestSettings)
    greylist: GreylistSettings = field(default_factory=GreylistSettings)
    screening: ScreeningSettings = field(default_factory=ScreeningSettings)
    client_name: ClientNameSettings = field(default_factory=ClientNameSettings)
    queue: QueueSettings = field(default_factory=QueueSettings)
    delivery: DeliverySettings = field(default_factory=DeliverySettings)
    dkim: DkimSettings = field(default_factory=DkimSettings)
    reports: ReportSettings = field(default_factory=ReportSettings)
    https: HttpsSettings = field(default_factory=HttpsSettings)
    dns: DnsSettings = field(default_factory=DnsSettings)
    log: LogSettings = field(default_factory=LogSettings)
    control: ControlSettings = field(default_factory=ControlSettings)
    sandbox: SandboxSettings = field(default_factory=SandboxSettings)
    sandbox_project: dict[str, SandboxProjectSettings] = field(default_factory=dict)
    sandbox_release: SandboxReleaseSettings = field(default_factory=SandboxReleaseSettings)
    sandbox_forward: dict[str, SandboxForwardSettings] = field(default_factory=dict)
    sandbox_webhook: dict[str, SandboxWebhookSettings] = field(default_factory=dict)
    listener: dict[str, ListenerSettings] = field(default_factory=dict)
    certificate: dict[str, CertificateSettings] = field(default_factory=dict)
    hook: dict[str, HookSettings] = field(default_factory=dict)
    auth_source: dict[str, SourceSettings] = field(default_factory=dict)
    rate: dict[str, RateSettings] = field(default_factory=dict)
    dns_list: dict[str, DnsListSettings] = field(default_factory=dict)
    rule: dict[str, RuleSettings] = field(default_factory=dict)
    owner: dict[str, OwnerSettings] = field(default_factory=dict)
    domain: dict[str, DomainSettings] = field(default_factory=dict)
    dkim_domain: dict[str, DkimDomainSettings] = field(default_factory=dict)
    route: dict[str, RouteSettings] = field(default_factory=dict)
    tls_domain: dict[str, TlsDomainSettings] = field(default_factory=dict)
    sts_domain: dict[str, StsDomainSettings] = field(default_factory=dict)
