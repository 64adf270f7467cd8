"""The mock server's settings, and their form as command-line flags."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from earmark.config import Config, ConfigError, NonNegativeFloat, PositiveInt, Share

FormatName = Literal["json_schema", "json_object", "none"]


def _help(text: str) -> Meta:
    return Meta(description=text)


class MockConfig(Config, frozen=True, kw_only=True):
    """How the mock server answers and fails. Each field is a flag, explained by `--help`.

    Without a flag nothing goes wrong. All that looks like chance is drawn from the seed, the
    content of a request and how often it came before: never from the clock or the order.
    """

    port: Annotated[int, Meta(ge=0, le=65_535), _help("port on 127.0.0.1; 0 for a free one")] = 0
    model: Annotated[str, _help("name of the one model that /v1/models lists")] = "mock"
    slots: Annotated[PositiveInt, _help("requests served at once; others queue")] = 64
    latency_s: Annotated[NonNegativeFloat, _help("median of the log-normal time to answer, s")] = (
        0.2
    )
    latency_sigma: Annotated[NonNegativeFloat, _help("its standard deviation, natural log")] = 0.3
    seed: Annotated[int, _help("of all that looks like chance")] = 0
    listen: Annotated[
        bool, _help("decode audio and describe it; without, captions are picked by its hash")
    ] = True
    until_stdin_closes: Annotated[bool, _help("end when standard input closes")] = False
    error_share: Annotated[Share, _help("requests answered with 500")] = 0.0
    busy_share: Annotated[Share, _help("requests turned away at once with 429")] = 0.0
    retry_after_s: Annotated[
        NonNegativeFloat, _help("what a 429 asks to wait, s; 0: no header")
    ] = 1.0
    timeout_share: Annotated[Share, _help("requests that are left hanging")] = 0.0
    hang_s: Annotated[NonNegativeFloat, _help("for so long, s; 0: until the client leaves")] = 0.0
    html_share: Annotated[Share, _help("requests answered 200 with an HTML page")] = 0.0
    outage_at_s: Annotated[
        NonNegativeFloat, _help("an outage begins so long after the first chat, s")
    ] = 0.0
    outage_s: Annotated[NonNegativeFloat, _help("how long the outage lasts, s; 0: none")] = 0.0
    outage_kind: Annotated[Literal["503", "reset"], _help("503, or connections reset")] = "503"
    poison: Annotated[str, _help("500 whenever a text or a file URL contains this word")] = ""
    fail_over_s: Annotated[
        NonNegativeFloat, _help("audio longer than this makes it sick; 0: none")
    ] = 0.0
    sick_s: Annotated[NonNegativeFloat, _help("how long it then answers 500 to everything, s")] = (
        3.0
    )
    ignore_audio: Annotated[bool, _help("the same caption whatever is heard")] = False
    mix_up: Annotated[bool, _help("swap the answers of requests that are in flight together")] = (
        False
    )
    response_formats: Annotated[
        tuple[FormatName, ...], _help("response formats it has, comma-separated; none: it has none")
    ] = ("json_schema", "json_object")
    unsupported_status: Annotated[
        Literal[400, 500], _help("its answer to a response format that it has not")
    ] = 400
    untidy_share: Annotated[Share, _help("tags that come untidy where no format was asked")] = 0.0
    lint_share: Annotated[Share, _help("captions with a fault: loops, refusals, echoes")] = 0.0
    require_key: Annotated[
        str, _help("401 without `Authorization: Bearer` and this environment variable's value")
    ] = ""

    def check(self) -> None:
        """Refuse settings that contradict each other."""
        if self.fail_over_s and not self.listen:
            raise ConfigError("fail_over_s: the length of audio is only known with listen = true")
        shares = self.error_share + self.busy_share + self.timeout_share + self.html_share
        if shares > 1:
            raise ConfigError(f"the shares of faults add up to {shares:.2f}, more than 1")
        if "none" in self.response_formats and len(self.response_formats) > 1:
            raise ConfigError('response_formats: "none" stands alone; leave it out beside others')


def parse_arguments(arguments: Sequence[str]) -> MockConfig:
    """Read a command line; a wrong one ends the process with exit code 2 and its usage."""
    parser = argparse.ArgumentParser(
        prog="python -m earmark.testing.mock_server",
        description="An OpenAI-compatible chat server that needs no model and fails on demand.",
    )
    for field in msgspec.structs.fields(MockConfig):
        words = f"{_help_text(field.type)} (default: {_format_value(field.default)})"
        if isinstance(field.default, bool):
            action = argparse.BooleanOptionalAction
            parser.add_argument(_flag(field.name), action=action, help=words)
        else:
            parser.add_argument(_flag(field.name), metavar="X", help=words)
    given = vars(parser.parse_args(arguments))
    plain = {name: value for name, value in given.items() if value is not None}
    if "response_formats" in plain:
        plain["response_formats"] = plain["response_formats"].split(",")
    try:
        return msgspec.convert(plain, MockConfig, strict=False)
    except msgspec.ValidationError as error:
        parser.error(str(error))


def to_arguments(config: MockConfig) -> list[str]:
    """Return the command line that `parse_arguments` reads back as `config`."""
    result: list[str] = []
    for field in msgspec.structs.fields(MockConfig):
        value: Any = msgspec.structs.asdict(config)[field.name]
        if value == field.default:
            continue
        if isinstance(value, bool):
            result.append(_flag(field.name) if value else _flag(f"no_{field.name}"))
        else:
            result.append(f"{_flag(field.name)}={_format_value(value)}")
    return result


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _format_value(value: Any) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _help_text(annotation: Any) -> str:
    descriptions = [meta.description for meta in annotation.__metadata__ if meta.description]
    return descriptions[-1].replace("%", "%%")
