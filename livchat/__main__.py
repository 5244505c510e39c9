"""python -m livchat: the command line."""

from __future__ import annotations

from livchat.cli.main import main

if __name__ == "__main__":
    main()
