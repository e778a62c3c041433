"""Mail authentication: who sent a message, and whether the next server can be trusted.

Nothing in here does I/O: DNS queries go through the ``Resolver`` port (``resolver``), so any
resolver works. The content of a message or of DNS never raises an exception::

    from pillarbox.mailauth import arc, dkim, dmarc, spf

    await spf.check_host(ip, domain, sender, resolver)
    fields = dkim.sign(message, keys, now=now)
    await dkim.verify(message, resolver, now=now)
    await dmarc.evaluate(domains, spf=..., dkim=[...], resolver=resolver)
    await arc.validate(message, resolver)

``verification`` runs all checks on a message that arrives in chunks, ``authres`` writes and reads
the field that carries the results, ``srs`` rewrites senders, ``bimi`` finds logos.
"""

from __future__ import annotations
