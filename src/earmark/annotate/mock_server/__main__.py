"""`python -m earmark.annotate.mock_server`: serve until told to end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading

from earmark.config import ConfigError
from earmark.testing.mock_server.config import MockConfig, parse
from earmark.testing.mock_server.server import serve


def main() -> int:
    """Serve, and return the process's exit code: 0, or 2 for settings that cannot be served."""
    try:
        asyncio.run(_serve(parse(sys.argv[1:])))
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"cannot listen: {error}. Take another port; --port 0 finds one.", file=sys.stderr)
        return 2
    return 0


async def _serve(config: MockConfig) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if config.until_stdin_closes:
        watcher = threading.Thread(target=_wait_for_end, args=(loop, stop), daemon=True)
        watcher.start()
    await serve(config, lambda port: print(f"http://127.0.0.1:{port}/v1", flush=True), stop)


def _wait_for_end(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    # Not sys.stdin: a daemon thread that holds its lock aborts the interpreter at its end.
    while os.read(0, 4096):
        pass
    loop.call_soon_threadsafe(stop.set)


if __name__ == "__main__":
    raise SystemExit(main())
