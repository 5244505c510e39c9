"""The database: one SQLite file, a thread that commits writes in groups, and readers beside it."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from time import time_ns
from typing import Any, Generic, TypeVar
from uuid import uuid4

from livchat.errors import LivChatError, StorageFull

T = TypeVar("T")

MAX_WRITES_PER_COMMIT = 512
"""How many writes share a commit at most."""
RESULTS_PER_TURN = 16
"""How many results are handed out in one turn of the loop: those whom they wake run at once."""
CLOSE_SECONDS = 10
"""How long closing waits for the writes that are queued."""


class TableDamaged(LivChatError):
    """The file is no database, or of a newer version; nothing has been written to it."""

    code = "table_damaged"


_last_second = (0, "")
"""The second that was formatted last, in seconds since the epoch and as text."""


def now() -> str:
    """Return the time as it is stored and sent: RFC 3339, UTC, microseconds, so that text sorts."""
    global _last_second
    second, nanoseconds = divmod(time_ns(), 1_000_000_000)
    known, text = _last_second
    if known != second:
        text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        _last_second = (second, text)
    return f"{text}.{nanoseconds // 1000:06d}Z"


class Transaction:
    """What a write works with: SQL, the next event number, and calls to make after the commit.

    What is added to `after` is called in the loop, once the write is on disk.
    """

    __slots__ = ("after", "connection", "execute", "executemany", "seq")

    def __init__(self, connection: sqlite3.Connection, seq: int) -> None:
        self.connection = connection
        self.execute = connection.execute
        self.executemany = connection.executemany
        self.seq = seq
        self.after: list[Callable[[], None]] = []

    def next_seq(self) -> int:
        """Return the number of the next event; it is given again only if the write is undone."""
        self.seq += 1
        return self.seq


@dataclass(slots=True)
class _Write(Generic[T]):
    run: Callable[[Transaction], T]
    future: asyncio.Future[T] | None
    result: Any = None
    error: BaseException | None = None
    after: list[Callable[[], None]] = field(default_factory=list)


class Database:
    """The daemon's one file. It is opened in the loop that uses it, and closed by `close`.

    A write is durable (WAL, synchronous=FULL) when it returns. One that must refuse raises a
    `LivChatError` before it has changed anything; any other exception undoes that write alone.
    `reader` is for short reads on the loop. Opening raises `TableDamaged` and `StorageFull`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Write[Any] | None] = queue.SimpleQueue()
        self._connection = _open(path)
        self.epoch, seq = _prepare(self._connection, path)
        self._seq = seq
        self.reader = _open(path)
        self.reader.execute("PRAGMA query_only = 1")
        self._thread = threading.Thread(target=self._run, name="database", daemon=True)
        self._thread.start()
        self._closed = False
        self._committed: deque[_Write[Any]] = deque()
        self._resolving = False

    def write(self, run: Callable[[Transaction], T]) -> asyncio.Future[T]:
        """Run `run` in the writer's next commit; the future has its result once it is on disk.

        Raises what `run` raises, and `StorageFull` where the disk is full.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(_Write(run, future))
        return future

    def write_soon(self, run: Callable[[Transaction], object]) -> None:
        """Run `run` without waiting for it. Order with other writes is kept, errors are lost."""
        self._queue.put(_Write(run, None))

    async def read_in_thread(self, run: Callable[[sqlite3.Connection], T]) -> T:
        """Run a long read in a thread, with a connection of its own; return its result."""
        return await asyncio.to_thread(self._read, run)

    def copy_to(self, path: Path) -> None:
        """Write a consistent copy of the database, from any thread, while work goes on."""
        connection = _open(self.path)
        try:
            connection.execute("VACUUM INTO ?", (str(path),))
        finally:
            connection.close()

    async def close(self) -> None:
        """Write what is queued, then close the file."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join, CLOSE_SECONDS)
        while self._resolving:  # noqa: ASYNC110 - a turn of the loop or a few
            await asyncio.sleep(0)
        self.reader.close()
        self._connection.close()

    def _read(self, run: Callable[[sqlite3.Connection], T]) -> T:
        connection = _open(self.path)
        try:
            connection.execute("PRAGMA query_only = 1")
            return run(connection)
        finally:
            connection.close()

    def _run(self) -> None:
        while True:
            first = self._queue.get()
            if first is None:
                return
            group: list[_Write[Any]] = [first]
            last = False
            while len(group) < MAX_WRITES_PER_COMMIT:
                try:
                    following = self._queue.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    last = True
                    break
                group.append(following)
            self._commit(group)
            if last:
                return

    def _commit(self, group: list[_Write[Any]]) -> None:
        try:
            self._commit_group(group)
        except BaseException:  # noqa: BLE001 - each write gets its own error below
            self._roll_back()
            for write in group:
                write.after, write.error, write.result = [], None, None
                self._commit_one(write)
        self._loop.call_soon_threadsafe(self._on_committed, group)

    def _commit_group(self, group: Iterable[_Write[Any]]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        seq = self._seq
        for write in group:
            transaction = Transaction(self._connection, seq)
            try:
                write.result = write.run(transaction)
            except LivChatError as refusal:
                write.error = refusal
                continue
            write.after = transaction.after
            seq = transaction.seq
        self._connection.execute("COMMIT")
        self._seq = seq

    def _commit_one(self, write: _Write[Any]) -> None:
        try:
            self._commit_group([write])
        except sqlite3.OperationalError as error:
            self._roll_back()
            write.error = _as_livchat_error(error)
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits for this write
            self._roll_back()
            write.error = error

    def _on_committed(self, group: list[_Write[Any]]) -> None:
        """Hand out the results of a group, in the loop, after those that came before."""
        self._committed.extend(group)
        if not self._resolving:
            self._resolve()

    def _resolve(self) -> None:
        """Hand out some results, then make the calls of the same writes; both in order.

        Whoever waits for a result goes on before what the calls start, and after they were made: a
        submit is answered before its job takes the loop.
        """
        count = min(RESULTS_PER_TURN, len(self._committed))
        writes = [self._committed.popleft() for _ in range(count)]
        self._resolving = bool(self._committed)
        if self._resolving:
            self._loop.call_soon(self._resolve)
        for write in writes:
            if write.future is None or write.future.done():
                continue
            if write.error is not None:
                write.future.set_exception(write.error)
            else:
                write.future.set_result(write.result)
        for write in writes:
            for call in write.after:
                call()

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def _as_livchat_error(error: sqlite3.OperationalError) -> LivChatError | sqlite3.OperationalError:
    if "full" in str(error) or "disk I/O" in str(error):
        return StorageFull(
            "cannot write: the disk under the daemon's table is full",
            hint="free some space; running jobs go on by themselves",
        )
    return error


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=256, timeout=10
    )
    connection.execute("PRAGMA busy_timeout = 10000")
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> tuple[str, int]:
    """Bring the schema up to date; return the epoch and the number of the last event."""
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        migrations = _migrations()
        if version > len(migrations):
            raise TableDamaged(
                f"cannot use {path}: a newer version of LivChat Setup wrote it",
                hint="pip install --upgrade livchat-setup",
            )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        for number, script in enumerate(migrations[version:], start=version + 1):
            connection.executescript(
                f"BEGIN IMMEDIATE; {script} PRAGMA user_version = {number}; COMMIT;"
            )
        connection.execute(
            "INSERT OR IGNORE INTO meta VALUES ('epoch', ?), ('seq_floor', '0')", (uuid4().hex[:8],)
        )
        meta = dict(connection.execute("SELECT key, value FROM meta").fetchall())
        last = connection.execute("SELECT max(seq) FROM events").fetchone()[0] or 0
    except sqlite3.OperationalError as error:
        raise _as_livchat_error(error) from error
    except sqlite3.DatabaseError as error:
        raise TableDamaged(
            f"cannot read {path}: {error}; nothing was written to it",
            hint=f"mv {path} {path}.damaged; copies of other days are in {path.parent}/backups",
        ) from error
    return meta["epoch"], max(last, int(meta["seq_floor"]))


def _migrations() -> list[str]:
    folder = resources.files("livchatd.storage") / "migrations"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [f.read_text(encoding="utf-8") for f in files]
