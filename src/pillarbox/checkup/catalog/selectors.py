"""DKIM selectors that providers commonly use, for a domain whose own are unknown."""

from __future__ import annotations

from typing import Final

__all__ = ["KNOWN_SELECTORS"]

KNOWN_SELECTORS: Final[dict[str, str]] = {
    "google": "Google Workspace",
    "selector1": "Microsoft 365",
    "selector2": "Microsoft 365",
    "fm1": "Fastmail",
    "fm2": "Fastmail",
    "fm3": "Fastmail",
    "sig1": "iCloud",
    "protonmail": "Proton Mail",
    "protonmail2": "Proton Mail",
    "protonmail3": "Proton Mail",
    "zoho": "Zoho",
    "zmail": "Zoho",
    "s1": "SendGrid",
    "s2": "SendGrid",
    "k1": "Mailchimp",
    "k2": "Mailchimp",
    "k3": "Mailchimp",
    "mte1": "Mandrill",
    "mte2": "Mandrill",
    "mandrill": "Mandrill",
    "pdk1": "Mailgun",
    "pdk2": "Mailgun",
    "mailo": "Mailgun",
    "smtp": "Mailgun",
    "mailjet": "Mailjet",
    "brevo": "Brevo",
    "brevo1": "Brevo",
    "brevo2": "Brevo",
    "mail": "Brevo, OpenDKIM",
    "resend": "Resend",
    "api": "Elastic Email",
    "pm": "Postmark",
    "scph0000": "SparkPost",
    "cm": "Campaign Monitor",
    "hs1": "HubSpot",
    "hs2": "HubSpot",
    "default": "cPanel, OpenDKIM",
    "dkim": "Mailcow, Rspamd",
    "x": "DirectAdmin",
    "mxvault": "MxVault",
    "everlytickey1": "Everlytic",
    "turbo-smtp": "turboSMTP",
}
