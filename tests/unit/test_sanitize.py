"""The cleaner of text from elsewhere: nothing hidden is left, and no language loses a letter."""

from __future__ import annotations

import unicodedata
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livchat.sanitize import clean_line, clean_text

DIRECTIONS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
ZERO_WIDTH = "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u200b\u2060\u2061\u2064\u3164\ufeff\uffa0"
TAGS = "".join(map(chr, range(0xE0000, 0xE0080)))
JOINERS, SELECTORS = "\u200c\u200d\u180e", "\ufe0e\ufe0f\ufe00\U000e0100\u180b"
NEVER = set(DIRECTIONS + ZERO_WIDTH + TAGS + "\u2028\u2029")

PIECES = st.sampled_from(
    [
        "\x1b[31m",
        "\x1b[2J",
        "\x1b]0;title\x07",
        "\x1b]8;;http://x\x1b\\",
        "\x1bP1$r\x1b\\",
        "\x1b(B",
        "\x1b",
        "[",
        "]",
        "\x9b31m",
        "\x9b",
        "\x9d0;t\x9c",
        "\x07",
        "\\",
        "\r\n",
        "\r",
        "\n",
        "\t",
        "m",
        *DIRECTIONS,
        *ZERO_WIDTH,
        *JOINERS,
        *SELECTORS,
        "\U000e0041",
        "\u2028",
        "\x7f",
        "\ud800",
        "a",
        "é",
        "ק",
        "م",
        "क",
        "्",
        "ශ",
        "👩",
        "⚕",
        "🏳",
        "❤",
        "1",
        "#",
        "世",
        " ",
        "\u3000",
    ]
)
HOSTILE = st.lists(PIECES, max_size=20).map("".join) | st.text(max_size=40)
VISIBLE = st.text(
    st.characters(
        categories=("L", "N", "P", "S", "Zs", "Mn", "Mc"),
        exclude_characters=[*ZERO_WIDTH, *SELECTORS, "\u180c", "\u180d", "\u180f"],
    ).filter(
        lambda sign: not ("\ufe00" <= sign <= "\ufe0f" or "\U000e0100" <= sign <= "\U000e01ef")
    )
)


@given(HOSTILE)
def test_nothing_hidden_is_left(text: str) -> None:
    shown = clean_text(text)
    for sign in shown:
        category = unicodedata.category(sign)
        assert category not in {"Cs", "Co", "Zl", "Zp"}, ascii(shown)
        assert category != "Cc" or sign in "\n\t", ascii(shown)
        assert sign not in NEVER, ascii(shown)


@given(HOSTILE)
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    assert clean_text(clean_text(text)) == clean_text(text)
    assert clean_line(clean_line(text)) == clean_line(text)
    assert clean_line(clean_text(text)) == clean_line(text)


@given(HOSTILE)
def test_a_line_has_no_end_within(text: str) -> None:
    assert not {"\n", "\t"} & set(clean_line(text))
    assert len(clean_line(text).splitlines()) <= 1


@given(HOSTILE)
def test_joiners_and_selectors_stay_only_after_what_they_change(text: str) -> None:
    shown = clean_text(text)
    for before, sign in zip(f" {shown}", shown, strict=False):
        if sign in JOINERS + SELECTORS:
            assert before not in JOINERS + " \n\t\u3000", ascii(shown)
            assert before not in "aém", ascii(shown)
        if sign in SELECTORS:
            assert before not in SELECTORS, ascii(shown)


@given(VISIBLE)
def test_what_is_seen_stays_whatever_its_language(text: str) -> None:
    assert clean_text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "Olá, João: ação concluída — ½ preço",
        "Straße, Ærø, Łódź, Ďábel, œuvre",
        "Привет, мир; Ελληνικά; Հայերեն; ქართული",
        "שלום עולם",
        "مرحبا بالعالم، ١٢٣",
        "می‌خواهم خانه‌ها را ببینم",  # noqa: RUF001
        "नमस्ते क्‍ष क्‌ष, தமிழ், తెలుగు, മലയാളം ന്‍",
        "ශ්‍රී ලංකාව",
        "မြန်မာ, ខ្មែរ, ไทย, ລາວ, བོད་",
        "ᠮᠣᠩᠭᠣᠯ ᠪᠢᠴᠢᠭ᠌",
        "你好，世界 こんにちは 한국어 葛󠄀城",  # noqa: RUF001
        "👍🏽 ❤️ 👩‍⚕️ 👨‍👩‍👧‍👦 🏳️‍🌈 🏴‍☠️ 1️⃣ #️⃣ ❤️‍🔥 🇧🇷",
        "x² ≤ √2 → ∞, €5.49, № 7, \u00a0\u202f\u3000.",
        "line one\n\tline two\n",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert clean_text(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mred\x1b[0m\r\nb\tc\x9b", "ared\nb\tc"),
        ("10%\r20%\r\n", "10%\n20%\n"),
        ("\x1b]0;title\x07a\x1b]8;;http://evil\x1b\\b\x1b]8;;\x1b\\", "ab"),
        ("\x1bPq#0\x1b\\a\x1b_apc\x1b\\b\x1b(B\x1b7\x1b=c", "abc"),
        ("\x9b31mred\x9d0;title\x9c", "red"),
        ("\x1b]0;never ends", "0;never ends"),
        ("exe.\u202egpj.cod", "exe.gpj.cod"),
        ("\u2066a\u2069\u200eb\u061c", "ab"),
        ("pay\u200dpal pa\u200by\u2060pal \ufeffpaypal", "paypal paypal paypal"),
        ("a\ufe0f\ufe0fb\U000e0100", "ab"),
        ("1\ufe0f\ufe0f\ufe0e\u20e3", "1\ufe0f\u20e3"),
        ("hi\U000e0041\U000e0042", "hi"),
        ("one\u2028two\u2029three\x85", "one\ntwo\nthree"),
        ("\ud800a\udfff\ue000\x00\x7f\x80", "a"),
        ("👩\u200d x\u200d👩", "👩 x👩"),
    ],
)
def test_what_could_fool_is_taken_out(text: str, shown: str) -> None:
    assert clean_text(text) == shown


def test_what_is_no_text_is_made_text() -> None:
    assert clean_line(ValueError("a\nb")) == "a b"
    assert clean_text(None) == "None"


@pytest.mark.parametrize(
    "piece", ["\x1b]", "\x1b[0", "\x9d", "\x1bP\x9d", "\x1b  ", "\u200d", "\x9b0"]
)
def test_no_input_takes_more_than_linear_time(piece: str) -> None:
    begin = monotonic()
    clean_text(piece * 100_000)
    assert monotonic() - begin < 5, "a quadratic one takes minutes"
