"""The one cleaner of text from elsewhere: servers, containers and providers write what they like.

What it takes out: terminal sequences (CSI, OSC, DCS and their kin, in their 7-bit and 8-bit forms),
control characters (C0 but newline and tab, DEL, C1), marks that turn the direction of reading,
characters that nobody sees (Unicode's Default_Ignorable_Code_Point), private use, lone surrogates.
What stays: letters, marks, digits, symbols and spaces of every language; a joiner or a variation
selector where it changes what is seen: after a letter of a script that joins, within an emoji.
"""

from __future__ import annotations

import re
from functools import cache

_CSI = r"[0-?]*[ -/]*[@-~]"
_STRING = r"[^\x07\x1b\x80-\x9f]*(?:\x07|\x1b\\|\x9c)"
"""To its terminator; no introducer within, or many open ones would take quadratic time."""
_SEQUENCES = (
    rf"\x1b(?:\[{_CSI}|[\]PX^_]{_STRING}|[ -/]*[0-~])|\x9b{_CSI}|[\x90\x98\x9d-\x9f]{_STRING}"
)
"""ECMA-48: escape sequences, control sequences and control strings."""
_LINE_ENDS = r"\r\n?|[\u2028\u2029]"

_CONTROLS = r"\x00-\x08\x0b-\x1f\x7f-\x9f"
_DIRECTIONS = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_UNSEEN = (
    r"\xad\u034f\u115f\u1160\u17b4\u17b5\u200b\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
)
_NO_TEXT = r"\ud800-\udfff\ue000-\uf8ff\U000f0000-\U0010ffff"

_SELECTORS = r"\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
_SELECTABLE = (
    r"#*0-9\xa9\xae\u1000-\u109f\u1820-\u18aa\u2030-\u205e\u2070-\u2bff\u3001-\u3163\u3165-\ud7ff"
    r"\uf900-\ufaff\uff01-\uff9f\U0001f000-\U0001faff\U00020000-\U000323af"
)
"""Bases of Unicode's variation sequences: emoji, ideographs, Mongolian and Myanmar letters."""
_MONGOLIAN = r"\u1820-\u18aa"
_JOINING = (
    r"\u0620-\u065f\u066e-\u06d3\u06d5-\u06ff\u0710-\u07ff\u0840-\u085b\u0860-\u08ff\u0900-\u0dff"
    r"\u0f00-\u109f\u1780-\u17b3\u17b6-\u17d3\u1820-\u18aa\u1a20-\u1aad\u1b00-\u1cff\ua800-\uabff"
    r"\ufb50-\ufdff\ufe70-\ufefc\U00010a00-\U00011fff\U0001e900-\U0001e943"
)
"""Scripts whose spelling needs the joiners: Arabic and its kin, the Indic ones, Mongolian."""
_EMOJI = r"\u2190-\u2bff\U0001f000-\U0001faff"

_ALWAYS = _CONTROLS + _DIRECTIONS + _UNSEEN + _NO_TEXT
_HIDDEN = (
    rf"[{_ALWAYS}{_SELECTORS}\u180e\u200c\u200d](?:(?<=[{_ALWAYS}])"
    rf"|(?<=[{_SELECTORS}])(?<![{_SELECTABLE}].)"
    rf"|(?<=\u180e)(?<![{_MONGOLIAN}].)"
    rf"|(?<=\u200c)(?<![{_JOINING}].)"
    rf"|(?<=\u200d)(?<![{_JOINING}].)(?:(?<![{_EMOJI}].)(?<![{_EMOJI}]\ufe0f.)|(?![{_EMOJI}])))"
)
"""It begins with a set, which the engine seeks quickly; what stood before that is asked then."""
_PLAIN = "\u034e"
"""Up to here each character that is printable by str.isprintable() may stay."""


def clean_text(text: object) -> str:
    """The text with nothing hidden in it; its lines, ended by newlines, and its tabs stay."""
    text = str(text)
    if text.isprintable() and (text.isascii() or max(text) <= _PLAIN):
        return text
    sequences, line_ends, hidden = _patterns()
    return hidden.sub("", line_ends.sub("\n", sequences.sub("", text)))


def clean_line(text: object) -> str:
    """The text with nothing hidden in it, on one line: a space for each newline and tab."""
    return clean_text(text).replace("\n", " ").replace("\t", " ")


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """Terminal sequences, ends of lines, hidden characters: compiled in 10 ms, so when needed."""
    return re.compile(_SEQUENCES), re.compile(_LINE_ENDS), re.compile(_HIDDEN)
