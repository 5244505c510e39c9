"""Makes docs/demo.svg of real output: tmux capture-pane -p -e | python docs/picture.py."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

console = Console(record=True, width=100, file=io.StringIO(), force_terminal=True)
for line in sys.stdin.read().rstrip().splitlines():
    console.print(Text.from_ansi(line), no_wrap=True, crop=True)
svg = console.export_svg(title="livchat demo")
(Path(__file__).parent / "demo.svg").write_text(svg, encoding="utf-8")
