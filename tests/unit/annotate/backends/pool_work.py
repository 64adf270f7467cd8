"""What the pool's tests run in worker processes; a module that those can import by name."""

import os

_greeting = ""


def set_greeting(greeting: str) -> None:
    global _greeting
    if not greeting:
        raise ValueError("a greeting cannot be empty")
    _greeting = greeting


def greet(name: str) -> str:
    return f"{_greeting} {name}"


def fail(name: str) -> str:
    raise LookupError(name)


def die(_: str) -> str:
    os._exit(3)
