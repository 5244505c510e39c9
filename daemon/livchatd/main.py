"""The daemon's entry point: its options, one run, and its exit status."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Never

from livchat import __version__
from livchat.errors import LivChatError
from livchat.paths import paths
from livchatd.api.listener.sockets import AlreadyRunning

if TYPE_CHECKING:
    from livchatd.daemon import Daemon

GC_THRESHOLDS = (1_000, 8, 5_000)
"""When Python collects garbage: its oldest generation hardly ever, for daemon.py does that.

Searching all that a thousand servers keep in memory stops the loop for half a second, so it is
done while no job runs.
"""
LEVELS = ("debug", "info", "warning", "error")


def main() -> Never:
    """Run the daemon until SIGTERM or SIGINT. A second one of an installation ends with 0."""
    options = _options(sys.argv[1:])
    try:
        # Not asyncio.run: it waits for every thread, and one may wait for a remote system.
        asyncio.new_event_loop().run_until_complete(_daemon()(paths(), options).run())
        status = 0
    except AlreadyRunning as other:
        sys.stderr.write(f"{other}\n")
        status = 0
    except LivChatError as error:
        hint = f"\nhint: {error.hint}" if error.hint else ""
        sys.stderr.write(f"error: {error}{hint}\n")
        status = error.exit_code
    logging.shutdown()
    sys.stderr.flush()
    # All is on disk: a thread that still waits for a remote system must not keep the process.
    os._exit(status)


def _daemon() -> type[Daemon]:
    """Import the daemon without the garbage collector.

    Modules stay loaded, so a search of them finds nothing, and takes a quarter of the start.
    """
    # The search for plugins of pydantic reads the description of every installed package.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    gc.disable()
    from livchatd.daemon import Daemon  # noqa: PLC0415 - with the collector switched off

    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    gc.enable()
    return Daemon


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="livchatd", description="The daemon of LivChat Setup.")
    parser.add_argument("--tcp", metavar="HOST:PORT", help="listen there too; a token is needed")
    parser.add_argument("--tls-cert", metavar="FILE", type=Path, help="certificate chain for --tcp")
    parser.add_argument("--tls-key", metavar="FILE", type=Path, help="its private key")
    parser.add_argument(
        "--allow-host", metavar="NAME", action="append", default=[],
        help="a name by which clients may call the daemon over TCP",
    )  # fmt: skip
    parser.add_argument("--log-level", choices=LEVELS, default="info")
    parser.add_argument("--version", action="version", version=f"livchatd {__version__}")
    options = parser.parse_args(arguments)
    if (options.tls_cert is None) != (options.tls_key is None):
        parser.error("--tls-cert and --tls-key go together")
    return options
