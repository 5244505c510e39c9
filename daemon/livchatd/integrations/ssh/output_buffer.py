"""What a command has printed so far, up to a limit; the rest is read and let go."""

from __future__ import annotations


class Taken:
    """Collects both outputs of a command; each has the same limit in bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.cut = False

    def add(self, data: bytes, *, error: bool) -> None:
        """Take what was printed, as far as there is room."""
        output = self.stderr if error else self.stdout
        room = self._limit - len(output)
        output.extend(data[:room])
        self.cut = self.cut or len(data) > room
