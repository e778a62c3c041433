"""Which provider speaks: by the host that answers, and by marks in what it says."""

from __future__ import annotations

from typing import Final

__all__ = ["PROVIDERS", "provider_name", "provider_of"]

# Id, name, suffixes of host names, and marks in replies (lower case). The first that fits.
PROVIDERS: Final[tuple[tuple[str, str, tuple[str, ...], tuple[str, ...]], ...]] = (
    (
        "google",
        "Google",
        ("google.com", "gmail.com", "googlemail.com"),
        ("gsmtp", "support.google.com", "mail.google.com", "smtp.gmail.com", "gmail"),
    ),
    (
        "microsoft",
        "Microsoft",
        ("outlook.com", "hotmail.com", "office365.com", "mx.microsoft", "live.com"),
        (
            "outlook.com",
            "office365.com",
            "aka.ms/",
            "go.microsoft.com",
            "mail.live.com",
            "smtpclientauthentication",
            "client submission",
            "exchangelabs.com",
            "resolver.adr",
        ),
    ),
    (
        "yahoo",
        "Yahoo",
        ("yahoodns.net", "yahoo.com", "aol.com", "yahoo.co.jp"),
        ("postmaster.yahoo", "yahoodns.net", "yahooinc.com", ".yahoo.com", "[tss0", "mail.aol"),
    ),
    (
        "apple",
        "Apple iCloud",
        ("icloud.com", "me.com", "apple.com"),
        ("support.apple.com", "icloud.com", "[cs01]", "[hm0", "proofpoint.com/us/ipcheck"),
    ),
    ("comcast", "Comcast", ("comcast.net",), ("comcast",)),
    ("proofpoint", "Proofpoint", ("pphosted.com", "ppe-hosted.com"), ("proofpoint",)),
    ("mimecast", "Mimecast", ("mimecast.com", "mimecast.co.za"), ("mimecast",)),
    ("barracuda", "Barracuda", ("barracudanetworks.com",), ("barracuda", "cuda_nsu")),
    ("gmx", "GMX and WEB.DE", ("gmx.net", "gmx.com", "web.de"), ("gmx.", "web.de")),
    ("mailru", "Mail.ru", ("mail.ru",), ("mail.ru",)),
    ("yandex", "Yandex", ("yandex.ru", "yandex.net"), ("yandex",)),
    ("qq", "Tencent QQ", ("qq.com",), ("exmail.qq.com", "mail.qq.com")),
    ("zoho", "Zoho", ("zoho.com", "zohomail.com"), ("zoho",)),
    ("ses", "Amazon SES", ("amazonses.com", "amazonaws.com"), ("amazon ses", "amazonses")),
    ("sendgrid", "SendGrid", ("sendgrid.net",), ("sendgrid",)),
    (
        "jp-mobile",
        "a Japanese mobile provider",
        ("docomo.ne.jp", "ezweb.ne.jp", "au.com", "softbank.ne.jp", "i.softbank.jp"),
        ("docomo.ne.jp", "ezweb.ne.jp", "softbank.ne.jp"),
    ),
    ("orange", "Orange", ("orange.fr", "wanadoo.fr"), ("ofr_", "orange.fr", "ofr004")),
)


def provider_of(host: str, flat: str) -> str:
    """Return the id of the provider that speaks, or "".

    Args:
        host: The name of the server that answered, or "".
        flat: What it said, flattened.
    """
    name = host.lower().rstrip(".")
    for provider, _, suffixes, _ in PROVIDERS:
        if name and any(name == suffix or name.endswith("." + suffix) for suffix in suffixes):
            return provider
    for provider, _, _, marks in PROVIDERS:
        if any(mark in flat for mark in marks):
            return provider
    return ""


def provider_name(provider: str) -> str:
    """Return the name of a provider for people, "" for none."""
    return next((name for id_, name, _, _ in PROVIDERS if id_ == provider), "")
