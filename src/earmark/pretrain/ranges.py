"""Settings out of range, told by key, value and range."""

from __future__ import annotations

from earmark.config import ConfigError


def at_least(name: str, value: int | float, least: int | float) -> None:
    """Raise a ConfigError where `value` is below `least`."""
    if not value >= least:
        raise ConfigError(f"{name} = {value!r} should be at least {least!r}.")


def above_zero(name: str, value: int | float) -> None:
    """Raise a ConfigError where `value` is not a positive number."""
    if not value > 0:
        raise ConfigError(f"{name} = {value!r} should be above zero.")


def within(name: str, value: int | float, low: float, high: float) -> None:
    """Raise a ConfigError where `value` is not from `low` to `high`."""
    if not low <= value <= high:
        raise ConfigError(f"{name} = {value!r} should be from {low!r} to {high!r}.")
