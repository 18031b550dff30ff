"""Character sets by their names in MSH-18 (HL7 table 0211) and the names that systems write in their place."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

LOSSLESS = "surrogateescape"

CODECS: dict[str, str] = {
    "": "",
    "ASCII": "ascii",
    **{f"8859/{part}": f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16)},
    "ISO IR6": "ascii",
    "ISO IR14": "iso2022_jp_ext",
    "ISO IR87": "iso2022_jp_ext",
    "ISO IR159": "iso2022_jp_ext",
    "GB 18030-2000": "gb18030",
    "KS X 1001": "euc_kr",
    "BIG-5": "big5",
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UNICODE UTF-16": "utf-16",
    "UNICODE UTF-32": "utf-32",
}
# What is written though no version of the table has it.
ALIASES: dict[str, str] = {
    "UTF-8": "utf-8", "UTF8": "utf-8", "UNICODE_UTF-8": "utf-8", "UTF-16": "utf-16",
    "US-ASCII": "ascii", "ISO-IR6": "ascii", "LATIN1": "iso8859-1", "ISO_IR 6": "ascii",
    "ISO_IR 100": "iso8859-1", "ISO_IR 192": "utf-8", "GB18030": "gb18030", "GB2312": "gb2312", "GBK": "gbk",
    "BIG5": "big5", "EUC-KR": "euc_kr", "KS_C_5601-1987": "euc_kr", "SHIFT_JIS": "shift_jis", "EUC-JP": "euc_jp",
    "WINDOWS-1252": "cp1252", "CP1252": "cp1252", "WINDOWS-1250": "cp1250", "WINDOWS-1251": "cp1251",
    "ISO IR-87": "iso2022_jp_ext", "ISO IR 87": "iso2022_jp_ext",
    **{f"ISO-8859-{part}": f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16)},
    **{f"ISO8859-{part}": f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16)},
    **{f"ISO 8859-{part}": f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16)},
}  # fmt: skip
SHIFTING = "iso2022_jp_ext"


def codec_of(names: Sequence[str]) -> str | None:
    """Python's codec for the repetitions of MSH-18; "" where none is stated, None where none is known.

    The first is the set of the message; a later one that is entered by escape sequences (ISO 2022) decides, as its
    codec reads both. So does one that has ASCII in it and more, where ASCII stands first.
    """
    codecs = [_codec(name) for name in names]
    if SHIFTING in codecs:
        return SHIFTING
    if codecs[:1] == ["ascii"] and len(codecs) > 1 and codecs[1] not in (None, "", "utf-16", "utf-32"):
        return codecs[1]
    return codecs[0] if codecs else ""


def _codec(name: str) -> str | None:
    name = name.strip().upper()
    return CODECS.get(name, ALIASES.get(name))


def decode_stated(raw: bytes, codec: str, fallback: str = "iso8859-1") -> tuple[str, str]:
    """The text and the codec used. Bytes that the codec does not know become surrogates, so that nothing is lost.

    Where no set is stated: UTF-8 if the bytes are, else the fallback (the standard says ASCII, which both contain).
    What says that it is ASCII and is UTF-8 is read as that.
    """
    if codec == "ascii" and not raw.isascii():
        with contextlib.suppress(UnicodeDecodeError):
            return raw.decode("utf-8"), "utf-8"
    if codec:
        return raw.decode(codec, LOSSLESS), codec
    try:
        return raw.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        return raw.decode(fallback, LOSSLESS), fallback
