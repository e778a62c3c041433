"""The purpose of each common header field, in a sentence for someone who has never seen one.

A table and nothing else: the name in lower case, the sentence, where it is defined.
"""

from __future__ import annotations

from typing import Final

__all__ = ["PURPOSES"]

PURPOSES: Final[dict[str, tuple[str, str]]] = {
    # --- who and when (RFC 5322) ------------------------------------------------------------
    "from": (
        (
            "Who wrote the mail. Readers see this name and address; DMARC checks that its domain is "
            "really the one that sent it."
        ),
        "RFC 5322 §3.6.2",
    ),
    "sender": (
        "Who handed the mail in, where that is someone else than the author, such as an assistant.",
        "RFC 5322 §3.6.2",
    ),
    "reply-to": ("Where answers go, if not to the author.", "RFC 5322 §3.6.2"),
    "to": (
        "Whom the mail is addressed to. Who really gets it is said in the SMTP session, not here.",
        "RFC 5322 §3.6.3",
    ),
    "cc": ("Who gets a copy, and is seen to get it.", "RFC 5322 §3.6.3"),
    "bcc": (
        (
            "Who gets a copy without the others knowing. It should have been taken out before the "
            "mail was sent: every recipient can read it here."
        ),
        "RFC 5322 §3.6.3",
    ),
    "subject": (
        "What the mail is about; the line that readers see in their list.",
        "RFC 5322 §3.6.5",
    ),
    "date": ("When the author pressed send, by the clock of their machine.", "RFC 5322 §3.6.1"),
    "message-id": (
        (
            "The name of this one mail in the whole world; answers refer to it, and programs notice by "
            "it what arrives twice."
        ),
        "RFC 5322 §3.6.4",
    ),
    "in-reply-to": ("The Message-ID of the mail that this one answers.", "RFC 5322 §3.6.4"),
    "references": (
        "The Message-IDs of the conversation so far; mail programs build threads from it.",
        "RFC 5322 §3.6.4",
    ),
    "comments": ("A remark about the mail.", "RFC 5322 §3.6.5"),
    "keywords": ("Words to file the mail under.", "RFC 5322 §3.6.5"),
    "resent-from": ("Who sent an old mail once more, unchanged.", "RFC 5322 §3.6.6"),
    "resent-to": ("Whom an old mail was sent to once more.", "RFC 5322 §3.6.6"),
    "resent-date": ("When an old mail was sent once more.", "RFC 5322 §3.6.6"),
    "resent-sender": ("Who handed in an old mail once more.", "RFC 5322 §3.6.6"),
    "resent-message-id": (
        "The name that an old mail got when it was sent once more.",
        "RFC 5322 §3.6.6",
    ),
    "organization": ("The author's organization.", "RFC 5536 §3.2.9"),
    # --- the way it took --------------------------------------------------------------------
    "received": (
        (
            "One hop on the way: each server that takes the mail puts its line on top, so the lowest "
            "one is the oldest. Only lines of servers that you know can be believed."
        ),
        "RFC 5321 §4.4",
    ),
    "return-path": (
        (
            "The envelope's sender, written down at the last server: bounces go there, and SPF checks "
            "its domain."
        ),
        "RFC 5321 §4.4",
    ),
    "delivered-to": (
        (
            "The mailbox that the mail was put into. A server that finds its own address there again "
            "knows that the mail goes in circles."
        ),
        "RFC 9228",
    ),
    "x-original-to": (
        "The recipient as the sender gave it, before aliases were applied.",
        "Postfix",
    ),
    "envelope-to": ("The recipient of the envelope.", "Exim"),
    "original-recipient": ("The recipient before anything was forwarded.", "RFC 3798 §2.3"),
    "x-originating-ip": (
        "The address of the machine that the author sat at, if it is true.",
        "in use",
    ),
    "x-forwarded-to": ("Where an automatic forwarding sent the mail.", "Google"),
    "x-forwarded-for": ("Whose automatic forwarding passed the mail on.", "Google"),
    # --- who sent it, proved ------------------------------------------------------------------
    "dkim-signature": (
        (
            "A signature by a domain over the body and some fields. It holds as long as nobody changes "
            "them, and the key to check it stands in DNS."
        ),
        "RFC 6376 §3.5",
    ),
    "authentication-results": (
        (
            "What a receiving server found when it checked SPF, DKIM and DMARC. Believe only the one "
            "that carries the name of your own server."
        ),
        "RFC 8601 §2.2",
    ),
    "received-spf": (
        (
            "What a receiving server found when it asked whether the sending address may send for the "
            "domain of the envelope."
        ),
        "RFC 7208 §9.1",
    ),
    "arc-seal": (
        (
            "A forwarder's signature over all that was found before it; the last seal vouches for the "
            "whole chain."
        ),
        "RFC 8617 §4.1.3",
    ),
    "arc-message-signature": (
        "A forwarder's signature over the mail as it left there, like DKIM's.",
        "RFC 8617 §4.1.2",
    ),
    "arc-authentication-results": (
        "What a forwarder found when it checked the mail, kept for those behind it.",
        "RFC 8617 §4.1.1",
    ),
    "domainkey-signature": (
        "A signature of the method before DKIM; nobody checks it now.",
        "RFC 4870",
    ),
    "x-google-dkim-signature": ("A signature that Google uses for itself.", "Google"),
    "dkim-filter": ("Which program checked or made the DKIM signature.", "OpenDKIM"),
    "autocrypt": (
        "The author's OpenPGP key, for programs that encrypt by themselves.",
        "Autocrypt 1.1",
    ),
    "openpgp": ("Where to find the author's OpenPGP key.", "in use"),
    "bimi-selector": ("Which of the domain's logos is to be shown.", "BIMI draft §5.2"),
    "bimi-indicator": (
        "The logo to show beside the mail, put there by the receiving server.",
        "BIMI draft §5.4",
    ),
    "bimi-location": ("Where the receiving server found the logo.", "BIMI draft §5.3"),
    "tls-required": (
        "“No” asks for delivery even where the path cannot be encrypted.",
        "RFC 8689 §3",
    ),
    "tls-report-domain": ("Marks a report on TLS: the domain it is about.", "RFC 8460 §5.3"),
    "tls-report-submitter": ("Marks a report on TLS: who sends it.", "RFC 8460 §5.3"),
    # --- lists and bulk mail ------------------------------------------------------------------
    "list-unsubscribe": (
        (
            "Where one can leave the list. Mail programs make a button of it; large providers ask for it "
            "in bulk mail."
        ),
        "RFC 2369 §3.2",
    ),
    "list-unsubscribe-post": (
        "Says that one POST to the address in List-Unsubscribe is enough, without a page in between.",
        "RFC 8058 §3.1",
    ),
    "list-id": ("The name of the mailing list, for filters.", "RFC 2919 §2"),
    "list-post": ("Where to write to the whole list.", "RFC 2369 §3.4"),
    "list-help": ("Where to find help on the list.", "RFC 2369 §3.1"),
    "list-subscribe": ("Where to join the list.", "RFC 2369 §3.3"),
    "list-owner": ("Who runs the list.", "RFC 2369 §3.5"),
    "list-archive": ("Where the list's old mail is kept.", "RFC 2369 §3.6"),
    "archived-at": ("Where this very mail is kept on the web.", "RFC 5064 §2"),
    "precedence": (
        (
            "“bulk” or “list” asks programs not to answer by themselves. Auto-Submitted is the standard's "
            "way to say it."
        ),
        "RFC 3834 §3.1.8",
    ),
    "auto-submitted": (
        (
            "Says that a program wrote the mail, so that no program answers it and two never answer each "
            "other for ever."
        ),
        "RFC 3834 §5",
    ),
    "x-auto-response-suppress": ("Asks Exchange not to answer by itself.", "Microsoft"),
    "feedback-id": (
        "Groups mail for Gmail's statistics of complaints: campaign, customer, kind, sender.",
        "Google",
    ),
    "x-mailer": ("The program that wrote the mail.", "in use"),
    "user-agent": ("The program that wrote the mail.", "in use"),
    "x-php-originating-script": ("Which PHP script sent the mail; PHP puts it there.", "PHP"),
    "x-report-abuse": ("Where to complain about the mail.", "in use"),
    "x-csa-complaints": ("Where members of the Certified Senders Alliance take complaints.", "CSA"),
    "x-campaign": ("The sender's name for this mailing.", "in use"),
    "x-entity-ref-id": ("Keeps Gmail from putting mails of one subject into one thread.", "in use"),
    # --- what is in it (MIME) -----------------------------------------------------------------
    "mime-version": (
        "Says that the mail may have parts, other character sets and files.",
        "RFC 2045 §4",
    ),
    "content-type": (
        "What the content is: text, a page, a picture, or several parts with a boundary between them.",
        "RFC 2045 §5",
    ),
    "content-transfer-encoding": (
        "How the content was written so that old servers pass it on unharmed.",
        "RFC 2045 §6",
    ),
    "content-disposition": (
        "Whether a part is shown in the text or attached to it, and by what name it is saved.",
        "RFC 2183",
    ),
    "content-id": ("The name of a part, by which a page shows it as “cid:…”.", "RFC 2045 §7"),
    "content-description": ("A word on what a part is.", "RFC 2045 §8"),
    "content-language": ("The language of the content.", "RFC 3282"),
    "content-location": ("The address that a part had on the web.", "RFC 2557 §4.2"),
    "content-length": (
        "The size of the content, from mailbox files; mail on the way has none.",
        "in use",
    ),
    "content-class": ("What kind of item this is in Exchange.", "Microsoft"),
    "thread-topic": ("The subject of the thread in Outlook.", "Microsoft"),
    "thread-index": ("The place in a thread in Outlook.", "Microsoft"),
    # --- how it is to be treated --------------------------------------------------------------
    "importance": (
        "How important the author finds the mail: high, normal or low.",
        "RFC 4021 §2.1.54",
    ),
    "priority": (
        "How soon it should be delivered; hardly any server looks at it.",
        "RFC 4021 §2.1.55",
    ),
    "x-priority": ("How important the author finds the mail, from 1 (most) to 5.", "in use"),
    "x-msmail-priority": ("How important the author finds the mail, for old Outlook.", "Microsoft"),
    "sensitivity": (
        "Whether the mail is personal or confidential; no more than a request.",
        "RFC 4021 §2.1.53",
    ),
    "expires": ("When the mail loses its worth.", "RFC 4021 §2.1.50"),
    "disposition-notification-to": (
        "Where the author wants to be told that the mail was read.",
        "RFC 8098 §2.1",
    ),
    "return-receipt-to": ("An old wish to be told that the mail arrived.", "in use"),
    "errors-to": (
        "An old wish that bounces go there; servers go by the envelope instead.",
        "in use",
    ),
    "require-recipient-valid-since": (
        "Asks that the mail be refused if the mailbox has changed hands since then.",
        "RFC 7293 §3.2",
    ),
    # --- what filters found -------------------------------------------------------------------
    "x-spam-status": (
        "Whether a filter takes the mail for spam, its score and its reasons.",
        "SpamAssassin",
    ),
    "x-spam-score": ("A filter's score; the higher, the more it looks like spam.", "in use"),
    "x-spam-level": ("A filter's score as a row of stars.", "SpamAssassin"),
    "x-spam-flag": ("“YES” where a filter takes the mail for spam.", "SpamAssassin"),
    "x-spam-checker-version": ("Which filter looked at the mail, and where.", "SpamAssassin"),
    "x-spamd-result": ("The rules of rspamd that the mail met, and what each weighs.", "rspamd"),
    "x-rspamd-server": ("Which rspamd looked at the mail.", "rspamd"),
    "x-rspamd-queue-id": ("The mail's number in the queue when rspamd looked at it.", "rspamd"),
    "x-virus-scanned": ("Which program looked for viruses.", "in use"),
    "x-ms-exchange-organization-scl": (
        "Exchange's spam score: -1 is trusted, 5 and more is junk.",
        "Microsoft",
    ),
    "x-ms-exchange-organization-authas": (
        "Whether Exchange took the sender for one of its own.",
        "Microsoft",
    ),
    "x-forefront-antispam-report": ("What Microsoft's filter found, in short words.", "Microsoft"),
    "x-microsoft-antispam": ("What Microsoft's filter for bulk mail found.", "Microsoft"),
    "x-gm-message-state": ("Google's own notes, encrypted.", "Google"),
    "x-google-smtp-source": (
        "Google's own notes on where the mail came from, encrypted.",
        "Google",
    ),
    "x-received": ("A hop within Google's or another provider's own network.", "Google"),
    # --- reports ------------------------------------------------------------------------------
    "x-failed-recipients": ("In a bounce: who did not get the mail.", "Exim, Google"),
    "original-message-id": ("In a receipt: which mail it is about.", "RFC 8098 §3.2.5"),
    "x-loop": ("A mark by which a program knows mail that it has passed on already.", "in use"),
    # --- senders' services and the sandbox ----------------------------------------------------
    "x-tags": ("Tags for this mail in a sandbox, with commas between them.", "pillarbox, Mailpit"),
    "x-mailgun-variables": ("The sender's own data for Mailgun.", "Mailgun"),
    "x-sg-eid": ("SendGrid's own notes, encrypted.", "SendGrid"),
    "x-ses-outgoing": ("When Amazon sent the mail, and by which address.", "Amazon SES"),
    "x-pm-message-id": ("Postmark's number of the mail.", "Postmark"),
    "x-mandrill-user": ("The sender's account at Mandrill.", "Mandrill"),
    "x-smtpapi": ("Orders to SendGrid that should not have reached the reader.", "SendGrid"),
    "x-mc-user": ("The sender's account at Mailchimp.", "Mailchimp"),
}
