"""A Ray cluster to hand tasks to: joined or started, looked at for room, and left again."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from earmark.config import ConfigError


@contextmanager
def ray_cluster(address: str, *, cpus: float, gpus: float, each: str) -> Generator[Any]:
    """Give the module `ray`, connected; a connection that was made here is closed in the end.

    Args:
        address: of the cluster; "" for the one of the environment, else a new one on this machine.
        cpus: that each task takes.
        gpus: that each task takes.
        each: what a task is, for people, such as "shard".

    Raises:
        ConfigError: Ray is not installed, or the cluster has not what a task takes.
    """
    ray = _import_ray()
    started = not ray.is_initialized()
    if started:
        ray.init(address=address or None, log_to_driver=False, include_dashboard=False)
    try:
        _check_room(ray.cluster_resources(), {"CPU": cpus, "GPU": gpus}, each)
        yield ray
    finally:
        if started:
            ray.shutdown()


def _check_room(has: Mapping[str, float], takes: Mapping[str, float], each: str) -> None:
    """Refuse what Ray would wait for without a word: more than the whole cluster has."""
    for name, wanted in takes.items():
        if wanted > has.get(name, 0.0):
            raise ConfigError(
                f"execute.{name.lower()}s = {wanted:g} for each {each}, but the Ray cluster has "
                f"{has.get(name, 0.0):g} {name}s in all"
            )


def _import_ray() -> Any:
    try:
        import ray
    except ImportError:
        raise ConfigError("execute.kind = 'ray' wants Ray: pip install 'earmark[ray]'") from None
    return ray
