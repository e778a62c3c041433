"""Where we read a mail otherwise than the authors of a suite, and why."""

from __future__ import annotations

from typing import Final

__all__ = ["ADDRESSES", "CONTENT_TYPES", "DATES", "MAILS", "SUBJECTS"]

MAILS: Final = {
    "malformed/000.eml": "four parts without a body: it shows none, we show them empty",
    "malformed/001.eml": "a boundary of an inner part stands behind the end of it: text, and no delimiter",
    "malformed/002.eml": "a multipart without parts: it is attached there; we show what it says, so that nobody misses it",
    "malformed/003.eml": "the boundary of the outer multipart once more: the parts are the outer one's, and the text is shown",
    "malformed/004.eml": "a multipart without parts: it is attached there; we show what it says, so that nobody misses it",
    "malformed/006.eml": "one boundary begins like the other: whole lines are compared (RFC 2046 §5.1.1), and the text is shown",
    "malformed/007.eml": "a header that a boundary ends: its parts are found all the same",
    "malformed/008.eml": "one boundary begins like the other: whole lines are compared (RFC 2046 §5.1.1), and both texts are shown",
    "malformed/009.eml": "an outer boundary ends the inner multipart (RFC 2046 §5.1.2), and the third text is shown",
    "malformed/011.eml": "an outer boundary ends the inner multipart (RFC 2046 §5.1.2), and the third text is shown",
    "malformed/012.eml": "an outer boundary ends the inner multipart (RFC 2046 §5.1.2), and the third message is attached",
    "malformed/016.eml": "one boundary begins like the other: whole lines are compared (RFC 2046 §5.1.1)",
    "malformed/017.eml": "a semicolon stands before a folded parameter: we find the name of the file",
    "malformed/019.eml": "broken by a fuzzer: boundaries are compared in their case; a header ends at the first line that is no field",
    "malformed/020.eml": "Content-Type stands twice: the first counts",
    "malformed/021.eml": "Content-Type stands twice: the first counts",
}
SUBJECTS: Final = {
    "21 '[SUSPECTED SPAM]=?utf-8?B?VGhpcyBpcyB0aGUgb3JpZ2luYWwgc3Via": "puts a blank before an encoded word where none is",
    "22 'Some text =?utf-8?Q??=here'": "shows two blanks around an empty word",
    "24 '=?utf-8?Q?Hello\\n _there!?='": "a word with a line end in it: the blanks of both stay",
    "25 '=?utf-8?Q?Hello\\r\\n _there!?='": "a word with a line end in it: the blanks of both stay",
    "26 '=?utf-8?Q?Hello\\r\\n   \\t  _there!?='": "a word with a line end in it: the blanks of both stay",
    "27 '[SUSPECTED SPAM]=?utf-8?B?VGhpcyBpcyB0aGUgb\\n 3JpZ2luYWwgc3": "puts a blank before an encoded word where none is",
    "28 '[SUSPECTED SPAM]=?utf-8?B?VGhpcyBpcyB0aGUgb\\r\\n 3JpZ2luYWwg": "puts a blank before an encoded word where none is",
}
ADDRESSES: Final = {
    "8 'Pete(A nice \\\\) chap) <pete(his account)@silly.test(his hos": "adds comments to the name",
    "9 'Pete(A nice \\n \\\\\\n ) chap) <pete(his\\n account)@silly\\n .t": "adds comments to the name; a folded escape in one makes it no address list for us",
    "10 \"A Group(Some people)\\n        :Chris Jones <c@(Chris's host": "adds comments to the name, and makes one a person",
    "11 '(Empty list)(start)Hidden recipients  :(nobody(that I know)": "makes a comment in an empty group a person",
    "13 'Mary Smith <@node.test:mary@example.net>, , jdoe@test  . ex": "leaves the obsolete route and blanks in the address",
    "14 'John Doe <jdoe@machine(comment).  example>'": "adds comments to the name, and leaves blanks in the address",
    "22 'Nathaniel Borenstein <nsb@thumper.bellcore.com>\\n    (=?iso": "adds comments to the name",
    "42 'NO (posting not allowed on this list)'": "a List-Post of “NO” is no address, and we take it for a name",
    "56 'Name (comment) =?utf-8?q?Doe?= <a@b.com>'": "adds comments to the name",
}
DATES: Final = {
    "10 '20 11 (some \\n 44 comments(more comments\\n )) 79 05:34:27 -": "a month in digits is not in any standard",
    "12 '4 8 15 16 23 42, 4 8 15 16 23 42, 4 8 15 16 23 42,'": "a row of numbers is no date",
    "28 'by 2002:aa7:cd10:0:b0:45c:2c83:1208 with SMTP id b16-20020a": "the value of a Received field is no date",
}
CONTENT_TYPES: Final = {
    "31 'application/pdf\\n   filename*0*=iso-8859-1\\'es\\'%D1and%FA\\n": "a character set in each piece: only the first piece may have one (RFC 2231 §4.1)",
    "34 'image/jpeg;\\n   name=\"=?iso-8859-1?B?4Q==?= =?utf-8?B?w6k=?": "keeps blanks between encoded words (RFC 2047 §6.2 leaves them out)",
    '38 \'inline; filename="  best \\\\"file\\\\" ever with \\\\\\\\ escaped ': "keeps blanks around the name of a file",
    "43 '/ ; name=value'": "without a type, parameters are read all the same",
    "47 '='": "not a type",
    "48 'name=value'": "not a type",
    "54 '\\xe1/\\xe9; \\xe1=\\xe9'": "not a type: it is not in ASCII",
    "55 'inva/lid; name=\"'": "a name of blanks is none",
    "56 'inva/lid; name=\"'": "a name of blanks is none",
    "57 'inva/lid; name=\"   \\n    \"; test=test'": "a name of blanks is none",
    "58 'name=value'": "not a type",
    "59 'test/encoded; key4*=us-ascii\\'\\'foo; key*9999=ba%; key2*0=a": "a NUL in a value becomes a blank",
    "61 'malicious/attempt; 1*2*=a; 3**=b; 4***=c; *5**6*=d;*****7*8": "pieces of pieces have no meaning",
    "62 ';charset=us-ascii'": "without a type, parameters are read all the same",
    "63 ';charset=us-ascii'": "without a type, parameters are read all the same",
    "65 '/;charset=us-ascii'": "without a type, parameters are read all the same",
    "66 '/ ;charset=us-ascii'": "without a type, parameters are read all the same",
    "71 '/plain;charset=us-ascii'": "without a type, parameters are read all the same",
    "72 '/plain ;charset=us-ascii'": "without a type, parameters are read all the same",
    "76 'text/plain/format'": "what stands behind a second slash is left out",
    "77 'text/plain/format;charset=us-ascii'": "what stands behind a second slash is left out",
    "78 'text/plain/format ;charset=us-ascii'": "what stands behind a second slash is left out",
}
