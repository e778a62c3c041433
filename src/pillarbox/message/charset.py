"""Decodes octets of any character set.

A label selects from a closed list and never names a Python codec: ``zip``, ``idna`` and
``unicode_escape`` are not character sets, and UTF-7 hides markup from everyone who looks for it.
Labels have their practical meaning, as in browsers: ``iso-8859-1`` is windows-1252, ``gb2312`` is
GB18030. All input decodes to text, and nothing is raised; undecodable octets become U+FFFD. Time is
linear: single-octet sets are complete tables, so invalid octets cost no more than valid ones.

RFC 2978 and https://encoding.spec.whatwg.org/#names-and-labels.
"""

from __future__ import annotations

import codecs
import re
from functools import cache
from typing import Final

__all__ = ["decode_octets", "guess_text", "is_known_charset"]

# Each supported set, with its names in mail. The first is Python's name.
_MULTI_OCTET: Final = {
    "utf-8": "utf8 unicode-1-1-utf-8 utf-8n x-unicode20utf8 cp65001 unicode utf8mb4",
    "utf-16": "utf16 iso-10646-ucs-2 ucs-2 unicodefffe",
    "utf-16-le": "utf-16le utf16le",
    "utf-16-be": "utf-16be utf16be",
    "utf-32": "utf32 iso-10646-ucs-4 ucs-4",
    "utf-32-le": "utf-32le",
    "utf-32-be": "utf-32be",
    "gb18030": "gb2312 gbk x-gbk cp936 936 ms936 windows-936 chinese csgb2312 euc-cn gb_2312-80 "
    "csiso58gb231280 iso-ir-58 gb-2312 x-euc-cn",
    "hz": "hz-gb-2312",
    "big5hkscs": "big5 big5-hkscs big5-eten cn-big5 csbig5 x-x-big5 cp950 950 x-big5",
    "cp932": "shift_jis shift-jis sjis x-sjis csshiftjis ms_kanji windows-31j ms932 shiftjis",
    "euc_jp": "euc-jp eucjp x-euc-jp cseucpkdfmtjapanese x-euc ujis",
    "iso2022_jp_ext": "iso-2022-jp csiso2022jp iso-2022-jp-1 iso-2022-jp-2 iso-2022-jp-3 "
    "iso-2022-jp-ext cp50220 cp50221 iso-2022-jp-ms",
    "cp949": "euc-kr euckr ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601 korean windows-949 "
    "uhc cseuckr csksc56011987 iso-ir-149 ms949",
    "iso2022_kr": "iso-2022-kr csiso2022kr",
    "johab": "cp1361 ms1361",
}
_SINGLE_OCTET: Final = {
    "cp1252": "windows-1252 iso-8859-1 iso8859-1 iso_8859-1 iso88591 latin1 latin-1 l1 "
    "iso-8859-1:1987 iso_8859-1:1987 cp819 ibm819 csisolatin1 iso-ir-100 x-cp1252 iso-8859 "
    "iso-8559-1 windows1252 x-ansi",
    "cp1250": "windows-1250 x-cp1250",
    "cp1251": "windows-1251 x-cp1251 win-1251",
    "cp1253": "windows-1253 x-cp1253",
    "cp1254": "windows-1254 x-cp1254 iso-8859-9 iso8859-9 latin5 l5 csisolatin5 iso_8859-9",
    "cp1255": "windows-1255 x-cp1255",
    "cp1256": "windows-1256 x-cp1256",
    "cp1257": "windows-1257 x-cp1257",
    "cp1258": "windows-1258 x-cp1258",
    "cp874": "windows-874 tis-620 iso-8859-11 iso8859-11 dos-874 tis620",
    "iso8859-2": "iso-8859-2 latin2 l2 csisolatin2 iso_8859-2",
    "iso8859-3": "iso-8859-3 latin3 l3 csisolatin3 iso_8859-3",
    "iso8859-4": "iso-8859-4 latin4 l4 csisolatin4 iso_8859-4",
    "iso8859-5": "iso-8859-5 cyrillic csisolatincyrillic iso_8859-5",
    "iso8859-6": "iso-8859-6 iso-8859-6-e iso-8859-6-i arabic csisolatinarabic iso_8859-6",
    "iso8859-7": "iso-8859-7 greek greek8 csisolatingreek iso_8859-7",
    "iso8859-8": "iso-8859-8 iso-8859-8-e iso-8859-8-i hebrew visual logical csisolatinhebrew "
    "iso_8859-8",
    "iso8859-10": "iso-8859-10 latin6 l6 csisolatin6 iso_8859-10",
    "iso8859-13": "iso-8859-13 latin7 iso_8859-13",
    "iso8859-14": "iso-8859-14 latin8 iso_8859-14",
    "iso8859-15": "iso-8859-15 latin9 latin-9 l9 csisolatin9 iso_8859-15",
    "iso8859-16": "iso-8859-16 latin10 iso_8859-16",
    "koi8-r": "koi8 koi koi8_r cskoi8r",
    "koi8-u": "koi8-ru",
    "koi8-t": "",
    "kz1048": "strk1048-2002 rk1048",
    "ptcp154": "pt154 cp154 cyrillic-asian",
    "mac-roman": "macintosh mac x-mac-roman csmacintosh apple-roman",
    "mac-cyrillic": "x-mac-cyrillic x-mac-ukrainian",
    "mac-greek": "x-mac-greek",
    "mac-turkish": "x-mac-turkish",
    "mac-latin2": "x-mac-centraleurroman x-mac-ce",
    "mac-iceland": "x-mac-icelandic",
    "cp437": "ibm437 437 cspc8codepage437",
    "cp737": "ibm737",
    "cp775": "ibm775",
    "cp850": "ibm850 850 cspc850multilingual",
    "cp852": "ibm852 852",
    "cp855": "ibm855",
    "cp857": "ibm857",
    "cp858": "ibm858 ibm00858",
    "cp860": "ibm860",
    "cp861": "ibm861",
    "cp862": "ibm862 dos-862",
    "cp863": "ibm863",
    "cp864": "ibm864",
    "cp865": "ibm865",
    "cp866": "ibm866 866 csibm866",
    "cp869": "ibm869",
    "cp037": "ibm037 ebcdic-cp-us",
    "cp500": "ibm500",
    "cp1140": "ibm01140",
    "hp-roman8": "roman8 r8 cshproman8",
    "viscii": "",
}
# Senders often mislabel other text as ASCII, and the other labels mean "unknown".
_GUESSED: Final = frozenset(
    {
        "us-ascii", "ascii", "ansi_x3.4-1968", "ansi_x3.4-1986", "iso-ir-6", "646", "cp367", "us",
        "iso646-us", "unknown-8bit", "x-unknown", "unknown", "x-user-defined", "8bit", "binary",
        "default", "default_charset", "none", "ansi", "_autodetect", "_autodetect_all",
    }
)  # fmt: skip
_NOT_IN_LABEL: Final = re.compile(r"[^a-z0-9._:+-]+")


def _by_label(sets: dict[str, str]) -> dict[str, str]:
    return {label: codec for codec, others in sets.items() for label in (codec, *others.split())}


def _exists(codec: str) -> bool:
    try:
        codecs.lookup(codec)
    except LookupError:
        return False
    return True


_CODECS: Final = _by_label(_MULTI_OCTET)
_TABLES: Final = {
    label: codec for label, codec in _by_label(_SINGLE_OCTET).items() if _exists(codec)
}
_LONGEST_LABEL: Final = 60


@cache
def _table(codec: str) -> str:
    """Return the character for each octet, U+FFFD if the set has none."""
    return bytes(range(256)).decode(codec, "replace")


def is_known_charset(label: str) -> bool:
    """Whether a label names a supported character set."""
    label = _plain(label)
    return label in _CODECS or label in _TABLES or label in _GUESSED


def decode_octets(octets: bytes, label: str) -> str:
    """Return octets as text.

    Args:
        octets: Any octets.
        label: The sender's name for the character set; "" if not given. With an unknown one, the
            character set is guessed.
    """
    label = label.lower()
    if label == "utf-8":
        return _without_mark(octets.decode("utf-8", "replace"))
    label = _plain(label)
    if codec := _CODECS.get(label):
        return _without_mark(_decode_multi_octet(octets, codec))
    if codec := _TABLES.get(label):
        return codecs.charmap_decode(octets, "strict", _table(codec))[0]
    return guess_text(octets)


def guess_text(octets: bytes) -> str:
    """Decode octets of an unnamed character set: UTF-8 if valid, otherwise windows-1252."""
    try:
        return _without_mark(octets.decode("utf-8"))
    except UnicodeDecodeError:
        return codecs.charmap_decode(octets, "strict", _table("cp1252"))[0]


def _plain(label: str) -> str:
    """Return a label without blanks, quotation marks and comments."""
    return _NOT_IN_LABEL.sub("", label.strip()[:_LONGEST_LABEL].lower())


def _decode_multi_octet(octets: bytes, codec: str) -> str:
    if codec == "utf-16" and not octets.startswith((b"\xff\xfe", b"\xfe\xff")):
        codec = "utf-16-be"  # RFC 2781 §4.3
    try:
        return octets.decode(codec, "replace")
    except UnicodeError:  # some codecs of stateful sets raise without calling the error handler
        return guess_text(octets)


def _without_mark(text: str) -> str:
    return text.removeprefix("\ufeff")
