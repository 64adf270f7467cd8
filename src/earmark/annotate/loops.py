"""Running coroutines to their end from plain code, in a notebook as well."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def run_to_end(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `main()` in a loop of its own and return its result.

    Where a loop runs in this thread already, as in a notebook, it is run in another thread.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(main())
    with ThreadPoolExecutor(1, "loop") as thread:
        return thread.submit(lambda: asyncio.run(main())).result()
