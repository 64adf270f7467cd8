"""One canary from the first question to the verdict, whoever is asked and whatever is asked."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from earmark.annotate.backends.base import Backend
from earmark.annotate.canary.failures import stop_if_never_there
from earmark.annotate.canary.prober import Interview
from earmark.annotate.canary.replies import Finding, Reply
from earmark.annotate.canary.verdict import counts, explain, record, stop_if_bad
from earmark.annotate.loops import run_to_end


def hold(
    backend: Backend,
    interview: Interview,
    talk: Callable[[Interview], Coroutine[Any, Any, None]],
    judge: Callable[[Sequence[Reply]], list[Finding]],
    role: str,
    folder: Path,
) -> dict[str, int]:
    """Talk, close the backend, write down what was said, and judge; returns counts.

    Raises:
        StageError: the servers never answered, or a finding stops the job. What was said is written
            down before.
    """

    async def talk_and_close() -> None:
        async with aclosing(backend):
            await talk(interview)

    finished = False
    try:
        run_to_end(talk_and_close)
        finished = True
    finally:
        findings = judge(interview.replies)
        record(folder, backend, interview.replies, findings, finished=finished)
    stop_if_never_there(interview.replies)
    stop_if_bad(findings, role, folder)
    for finding in findings:
        print(explain(finding, role, folder), file=sys.stderr, flush=True)
    return counts(interview.replies)
