"""How close annotation comes to a bare loop of requests, and what it loses to faults: nothing.

    python benchmarks/annotate.py                  # all, about ten minutes
    python benchmarks/annotate.py tags captions    # some of: tags captions memory faults kills

The server is `earmark.testing.mock_server` in a process of its own: 64 slots, log-normal latency.
The bound is measured in the same run against the same server: 64 requests in flight with aiohttp
and orjson, and nothing else. One line a figure: name, value, unit, goal, ok or short. Exit 1 where
one is short.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec

from earmark.annotate.backends.endpoint import EndpointConfig
from earmark.annotate.caption import caption_job
from earmark.annotate.jobs.answers import stream_answers
from earmark.annotate.jobs.job import Job
from earmark.annotate.jobs.local import LocalRunnerConfig
from earmark.annotate.jobs.run import run_job
from earmark.annotate.parsing.lint import LintConfig
from earmark.annotate.tag import tag_job
from earmark.records import Caption, Clip
from earmark.tables import TableWriter
from earmark.testing.mock_server.process import RunningServer, run_mock_server

SLOTS = 64
TAG_REQUESTS, CAPTION_REQUESTS, FAULTY_REQUESTS, KILLED_REQUESTS = 20_000, 4_000, 20_000, 400
KILLS = 30
WORDS = [
    "dog",
    "barks",
    "rain",
    "street",
    "engine",
    "voice",
    "choir",
    "drum",
    "guitar",
    "wind",
    "crowd",
    "bell",
    "water",
    "door",
    "bird",
]

Figure = tuple[str, float, str, float, Literal["least", "most"]]


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What a measured process is to do."""

    how: Literal["earmark", "bare"]
    kind: Literal["audio", "text"]
    table: str
    folder: str
    url: str
    concurrency: int = SLOTS
    timeout_s: float = 60.0
    shards: int = 1


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What it took: `seconds` of the work alone; CPU time and memory of the whole process."""

    seconds: float
    cpu_s: float
    peak_mib: float


def job_of(work: Work) -> Job:
    backend = EndpointConfig(
        model="mock",
        urls=(work.url,),
        concurrency=work.concurrency,
        timeout_s=work.timeout_s,
        response_format="none",
    )
    if work.kind == "text":
        return tag_job(Path(work.table), backend, Path(work.folder))
    return caption_job(Path(work.table), backend, LintConfig(), "", Path(work.folder))


def do(work: Work) -> Cost:
    """Run in the measured process."""
    started_s = time.monotonic()
    if work.how == "bare":
        asyncio.run(bare_loop(work))
    else:
        run_job(job_of(work), LocalRunnerConfig(shards=work.shards))
    seconds = time.monotonic() - started_s
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Cost(
        seconds=seconds, cpu_s=used.ru_utime + used.ru_stime, peak_mib=used.ru_maxrss / 1024
    )


async def bare_loop(work: Work) -> None:
    """Send every prompt once, 64 at a time: no ledger, no parsing, no retries."""
    import aiohttp
    import orjson

    prompts = job_of(work).prompts
    waiting = prompts.read(range(len(prompts)))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def work_off() -> None:
            for _, prompt in waiting:
                content: Any = prompt.text
                if prompt.audio is not None:
                    data = base64.b64encode(Path(prompt.audio).read_bytes()).decode()
                    sound = {"data": data, "format": "flac"}
                    content = [{"type": "input_audio", "input_audio": sound}]
                body = {"model": "mock", "messages": [{"role": "user", "content": content}]}
                async with session.post(
                    f"{work.url}/chat/completions",
                    data=orjson.dumps(body),
                    headers={"Content-Type": "application/json"},
                ) as answer:
                    orjson.loads(await answer.read())

        await asyncio.gather(*(work_off() for _ in range(SLOTS)))


@contextmanager
def started(work: Work) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, __file__, "--work", msgspec.json.encode(work).decode()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def measured(work: Work) -> Cost:
    with started(work) as process:
        out, _ = process.communicate()
        if process.returncode:
            raise RuntimeError(f"{work} ended with {process.returncode}")
        return msgspec.json.decode(out, type=Cost)


def captions_table(path: Path, count: int, characters: int = 3000) -> Path:
    """Write captions of about `characters` each, every one different."""
    generator = random.Random(0)
    with TableWriter(path, Caption) as table:
        for number in range(count):
            words = generator.choices(WORDS, k=characters // 6)
            text = f"clip {number}: " + " ".join(words)
            table.append(Caption(id=f"{number:032x}", text=text, summary="", backend="b"))
    return path


def clips_table(path: Path, count: int, sounds: Sequence[Path]) -> Path:
    with TableWriter(path, Clip) as table:
        for number, sound in zip(range(count), itertools.cycle(sounds), strict=False):
            table.append(
                Clip(
                    id=f"{number:032x}",
                    path=str(sound),
                    name=f"{number}",
                    duration_s=10.0,
                    sample_rate=16000,
                    channels=1,
                    peak_dbfs=-1.0,
                    loudness_lufs=-20.0,
                )
            )
    return path


def flac_files(folder: Path, count: int = 64) -> list[Path]:
    """Write ten-second FLAC files of 16 kHz, about 250 kB each."""
    import numpy as np
    import soundfile

    generator = np.random.default_rng(0)
    for number in range(count):
        wave = generator.normal(0, 0.05, 160_000).astype(np.float32)
        soundfile.write(folder / f"{number}.flac", wave, 16000)
    return sorted(folder.glob("*.flac"))


def tags(folder: Path) -> list[Figure]:
    table = captions_table(folder / "captions.parquet", TAG_REQUESTS)
    with run_mock_server(
        slots=SLOTS, latency_s=0.2, listen=False, response_formats=("none",)
    ) as server:
        bound, ours = compare(folder, "text", table, server)
    return [
        ("tags, bound", TAG_REQUESTS / bound.seconds, "requests/s", 0.0, "least"),
        ("tags, of the bound", 100 * bound.seconds / ours.seconds, "%", 97.0, "least"),
        ("tags, CPU a request", 1000 * ours.cpu_s / TAG_REQUESTS, "ms", 1.0, "most"),
        ("tags, CPU of the bound", 1000 * bound.cpu_s / TAG_REQUESTS, "ms", 1.0, "most"),
    ]


def captions(folder: Path) -> list[Figure]:
    table = clips_table(folder / "clips.parquet", CAPTION_REQUESTS, flac_files(folder))
    with run_mock_server(slots=SLOTS, latency_s=1.0, listen=False) as server:
        bound, ours = compare(folder, "audio", table, server)
    return [
        ("captions, bound", CAPTION_REQUESTS / bound.seconds, "requests/s", 0.0, "least"),
        ("captions, of the bound", 100 * bound.seconds / ours.seconds, "%", 97.0, "least"),
    ]


def compare(
    folder: Path, kind: Literal["audio", "text"], table: Path, server: RunningServer
) -> tuple[Cost, Cost]:
    common = {"kind": kind, "table": str(table), "url": server.url}
    bound = measured(Work(how="bare", folder=str(folder / "bare"), **common))
    return bound, measured(Work(how="earmark", folder=str(folder / "ours"), **common))


def memory(folder: Path) -> list[Figure]:
    """Measure the peak of a job that is stopped after a while, by how much is queued."""
    peaks = dict[int, float]()
    sounds = flac_files(folder, 4)
    for count in (10_000, 200_000, 10_000_000):
        table = folder / f"clips-{count}.parquet"
        if count > 1_000_000:
            many_clips(table, count, sounds[0])
        else:
            clips_table(table, count, sounds)
        with run_mock_server(slots=SLOTS, latency_s=0.2, listen=False) as server:
            work = Work(
                how="earmark",
                kind="audio",
                table=str(table),
                folder=str(folder / f"{count}"),
                url=server.url,
            )
            peaks[count] = peak_after(work, server, 2_000)
        table.unlink()
    return [
        ("memory, 10,000 queued", peaks[10_000], "MiB", 250.0, "most"),
        ("memory, 200,000 more than 10,000", peaks[200_000] - peaks[10_000], "MiB", 50.0, "most"),
        ("memory, 10,000,000 queued", peaks[10_000_000], "MiB", 250.0, "most"),
    ]


def many_clips(path: Path, count: int, sound: Path) -> None:
    """Write a table of clips by columns: ten million rows one by one would take minutes."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from earmark.tables import ROW_GROUP_SIZE, arrow_schema

    schema = arrow_schema(Clip)
    plain = {"path": str(sound), "duration_s": 10.0, "start_s": 0.0, "sample_rate": 16000}
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for first in range(0, count, ROW_GROUP_SIZE):
            size = min(ROW_GROUP_SIZE, count - first)
            ids = [f"{number:032x}" for number in np.arange(first, first + size).tolist()]
            columns = {
                field.name: pa.array(ids)
                if field.name in ("id", "name")
                else pa.array([plain.get(field.name)] * size, field.type)
                for field in schema
            }
            writer.write_table(pa.table(columns, schema=schema))


def peak_after(work: Work, server: RunningServer, answered: int) -> float:
    """Return the peak memory of a job, MiB, once so many of its requests are answered."""
    with started(work) as process:
        while server.stats().completed < answered:
            if process.poll() is not None:
                raise RuntimeError(f"{work} ended with {process.returncode}")
            time.sleep(0.5)
        status = Path(f"/proc/{process.pid}/status").read_text()
    return float(status.partition("VmHWM:")[2].split()[0]) / 1024


def faults(folder: Path) -> list[Figure]:
    table = captions_table(folder / "captions.parquet", FAULTY_REQUESTS)
    common = {"slots": SLOTS, "latency_s": 0.2, "listen": False, "response_formats": ("none",)}
    shares = {"error_share": 0.05, "busy_share": 0.05, "timeout_share": 0.02, "retry_after_s": 1.0}
    outage_s = 10.0
    with run_mock_server(**common) as server:
        bound = measured(
            Work(
                how="bare", kind="text", table=str(table), folder=str(folder / "b"), url=server.url
            )
        )
    with run_mock_server(**common, **shares, outage_at_s=10.0, outage_s=outage_s) as server:
        work = Work(
            how="earmark",
            kind="text",
            table=str(table),
            folder=str(folder / "ours"),
            url=server.url,
            # Half as many again as the server has slots: requests that hang hold none there.
            concurrency=SLOTS + SLOTS // 2,
            timeout_s=2.0,
        )
        ours = measured(work)
    finished = sum(answer.status == "ok" for answer in stream_answers(folder / "ours"))
    share = 100 * bound.seconds / (ours.seconds - outage_s)
    return [
        ("faults, rows answered", 100 * finished / FAULTY_REQUESTS, "%", 100.0, "least"),
        ("faults, of the bound outside the outage", share, "%", 85.0, "least"),
    ]


def kills(folder: Path) -> list[Figure]:
    """Kill a job at random moments, resume it, and count what was lost, doubled and wasted."""
    generator = random.Random(0)
    table = captions_table(folder / "captions.parquet", KILLED_REQUESTS, 300)
    lost = wrong = wasted = most_open = 0
    for number in range(KILLS):
        with run_mock_server(
            slots=SLOTS, latency_s=0.1, listen=False, response_formats=("none",)
        ) as server:
            work = Work(
                how="earmark",
                kind="text",
                table=str(table),
                folder=str(folder / f"{number}"),
                url=server.url,
            )
            kill_at(work, server, generator.randrange(1, KILLED_REQUESTS))
            kept = acknowledged(Path(work.folder))
            in_flight = server.stats().requests - len(kept)
            measured(work)
            rows = [answer.row for answer in stream_answers(Path(work.folder))]
            lost += len(kept - set(rows))
            wrong += abs(len(rows) - KILLED_REQUESTS) + len(rows) - len(set(rows))
            wasted += server.stats().requests - KILLED_REQUESTS - in_flight
            most_open = max(most_open, in_flight)
    return [
        (f"kills, acknowledged rows lost in {KILLS}", lost, "rows", 0.0, "most"),
        (f"kills, rows twice or missing in {KILLS}", wrong, "rows", 0.0, "most"),
        ("kills, requests beyond N + in flight", wasted, "requests", 0.0, "most"),
        # In hand are those at the server, those being made, and those on their way to the disk.
        ("kills, most in flight at a kill", most_open, "requests", 1.5 * SLOTS, "most"),
    ]


def kill_at(work: Work, server: RunningServer, completed: int) -> None:
    """Kill a job with -9 once so many requests are answered."""
    with started(work) as process:
        while server.stats().completed < completed and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()


def acknowledged(folder: Path) -> set[int]:
    """Return the rows whose answers are whole lines of a journal, or sealed."""
    journals = list(folder.glob("*.jsonl"))
    lines = [line for path in journals for line in path.read_bytes().split(b"\n")[:-1]]
    return {int(msgspec.json.decode(line)["row"]) for line in lines}


CASES: dict[str, Callable[[Path], list[Figure]]] = {
    "tags": tags,
    "captions": captions,
    "memory": memory,
    "faults": faults,
    "kills": kills,
}


def main(names: Sequence[str]) -> int:
    short = 0
    for name in names or CASES:
        with tempfile.TemporaryDirectory() as folder:
            for figure, value, unit, goal, bound in CASES[name](Path(folder)):
                good = value >= goal if bound == "least" else value <= goal
                short += not good
                print(
                    f"{figure}: {value:.2f} {unit} {goal:g} {'ok' if good else 'short'}", flush=True
                )
    return int(short > 0)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        print(msgspec.json.encode(do(msgspec.json.decode(sys.argv[2], type=Work))).decode())
    else:
        sys.exit(main(sys.argv[1:]))
