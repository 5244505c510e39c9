"""`python -m livchatd`: the daemon."""

from __future__ import annotations

from livchatd.main import main

if __name__ == "__main__":
    main()
