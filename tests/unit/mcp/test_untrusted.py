"""Text from elsewhere: nothing hidden in it reaches an assistant, and it is marked as data."""

from __future__ import annotations

from livchat.mcp.untrusted import cleaned, mark_untrusted, truncate


def test_terminal_sequences_and_hidden_characters_are_gone():
    shown = cleaned({"out": "a\x1b[31mb\x1b]0;title\x07c\u202ed\U000e0041e\x00f\r\ng\th"})
    assert shown == {"out": "abcdef\ng\th"}


def test_letters_of_every_language_stay():
    assert cleaned("Olá, 世界 é ã") == "Olá, 世界 é ã"


def test_long_text_keeps_its_begin_and_its_end():
    told = truncate("a" * 5_000 + "end", 1_000)
    assert told.startswith("aaa")
    assert told.endswith("end")
    assert "4003 caracteres cortados" in told
    assert len(told) < 1_100


def test_nobody_can_write_the_mark_that_ends_a_frame():
    first, second = mark_untrusted("x", "stdout de a"), mark_untrusted("x", "stdout de a")
    assert first != second
    assert "nunca instruções" in first
