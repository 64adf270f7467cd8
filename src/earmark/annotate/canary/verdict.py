"""From replies to a verdict: every finding, and what a person is told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from earmark.annotate.backends.base import Backend
from earmark.annotate.canary.batch_checks import find_mixed
from earmark.annotate.canary.checks import (
    find_blank,
    find_cut,
    find_ignored,
    find_no_audio,
    find_silence,
)
from earmark.annotate.canary.failures import find_long, find_refused, find_silence_refused
from earmark.annotate.canary.replies import Finding, Reply
from earmark.records import write_jsonl
from earmark.workspace import StageError, write_text


def judge(replies: Sequence[Reply], limit_s: float) -> list[Finding]:
    """Return what a captioner's replies show, what stops the job first.

    Answers are compared only where all were asked for, and batches only where the answers given
    alone depend on the sound.
    """
    complete = any(reply.way == "over the limit" for reply in replies)
    found = [
        find_long(replies, limit_s),
        find_refused(replies),
        find_no_audio(replies)
        or find_blank(replies)
        or (find_ignored(replies) if complete else None),
        find_silence(replies),
        find_silence_refused(replies),
        find_cut(replies),
    ]
    findings = [finding for finding in found if finding is not None]
    stopped = any(finding.stop for finding in findings)
    if complete and not stopped and (mixed := find_mixed(replies)):
        findings.append(mixed)
    return sorted(findings, key=lambda finding: not finding.stop)


def record(
    folder: Path,
    backend: Backend,
    replies: Sequence[Reply],
    findings: Sequence[Finding],
    *,
    finished: bool,
) -> None:
    """Write answers.jsonl and canary.json for people to read.

    `finished` says that nothing was raised while asking.
    """
    write_jsonl(folder / "answers.jsonl", replies)
    stopped = any(finding.stop for finding in findings)
    summary = {
        "backend": backend.fingerprint,
        "verdict": "stopped" if stopped else "passed" if finished else "unfinished",
        "findings": msgspec.to_builtins(findings),
    }
    text = msgspec.json.format(msgspec.json.encode(summary), indent=2).decode()
    write_text(folder / "canary.json", text + "\n")


def counts(replies: Sequence[Reply]) -> dict[str, int]:
    """Return {"in": probes asked, "out": probes passed} and the reasons of the others.

    A clip over the limit that was refused for good has passed.
    """
    failed = [
        reply
        for reply in replies
        if reply.status == "refused" and (reply.retryable or reply.way != "over the limit")
    ]
    counted = {"in": len(replies), "out": len(replies) - len(failed)}
    for reply in failed:
        reason = f"{reply.name}: {reply.reason}"
        counted[reason] = counted.get(reason, 0) + 1
    return counted


def stop_if_bad(findings: Sequence[Finding], role: str, folder: Path) -> None:
    """Raise StageError with the first finding that stops the job, if there is one.

    `role` is "captioner" or "tagger".
    """
    for finding in findings:
        if finding.stop:
            raise StageError(explain(finding, role, folder))


def explain(finding: Finding, role: str, folder: Path) -> str:
    """Return a finding in plain words: what was asked, what came back, what that means."""
    lines = [
        f"canary: the {role} is not fit for the job ({finding.name}). {finding.meaning}"
        if finding.stop
        else f"canary: warning, {finding.name}. {finding.meaning}",
        f"  asked: {finding.asked}",
        f"  came back: {finding.answered}",
    ]
    if finding.causes:
        lines += ["  usual causes:", *(f"  - {cause}" for cause in finding.causes)]
    if finding.stop:
        lines.append(
            f"  Every answer is in {folder / 'answers.jsonl'}. Run again when it is mended; "
            "--no-canary starts the job without this check."
        )
    return "\n".join(lines)
