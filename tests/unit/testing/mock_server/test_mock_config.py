from __future__ import annotations

import msgspec
import pytest

from earmark.config import ConfigError
from earmark.testing.mock_server.config import MockConfig, parse_arguments, to_arguments


def test_flags_and_settings_are_the_same_thing():
    config = MockConfig(
        slots=3,
        latency_s=0.5,
        listen=False,
        mix_up=True,
        response_formats=("none",),
        outage_kind="reset",
    )
    assert to_arguments(config) == [
        "--slots=3",
        "--latency-s=0.5",
        "--no-listen",
        "--outage-kind=reset",
        "--mix-up",
        "--response-formats=none",
    ]
    assert parse_arguments(to_arguments(config)) == config


def test_every_setting_has_a_flag_with_words(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit, match="0"):
        parse_arguments(["--help"])
    shown = capsys.readouterr().out
    for field in msgspec.structs.fields(MockConfig):
        assert "--" + field.name.replace("_", "-") in shown


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("--error-share=2", "<= 1"),
        ("--response-formats=yaml", "yaml"),
        ("--unsupported-status=418", "418"),
        ("--slots=many", "slots"),
    ],
)
def test_a_wrong_flag_ends_with_2_and_says_which(
    argument: str, said: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit, match="2"):
        parse_arguments([argument])
    assert said in capsys.readouterr().err


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(ConfigError, match="listen"):
        MockConfig(fail_over_s=30, listen=False)
    with pytest.raises(ConfigError, match=r"1\.20"):
        MockConfig(error_share=0.6, busy_share=0.6)
    with pytest.raises(ConfigError, match="alone"):
        MockConfig(response_formats=("none", "json_object"))
