from __future__ import annotations

from collections import Counter
from statistics import median

from earmark.testing.mock_server.config import MockConfig
from earmark.testing.mock_server.faults import Health, InjectedFault, draw_fault, draw_latency_s

CONFIG = MockConfig(error_share=0.2, busy_share=0.1, timeout_share=0.05, html_share=0.1)


def test_each_fault_befalls_its_share_of_the_requests():
    counts = Counter(draw_fault(CONFIG, f"key {n}", 0) for n in range(4000))
    assert 680 < counts[InjectedFault.ERROR] < 920
    assert 320 < counts[InjectedFault.BUSY] < 480
    assert 140 < counts[InjectedFault.TIMEOUT] < 260
    assert 320 < counts[InjectedFault.HTML] < 480


def test_chance_is_fixed_by_the_seed_and_drawn_anew_for_a_second_attempt():
    first = [draw_fault(CONFIG, str(n), 0) for n in range(200)]
    assert first == [draw_fault(CONFIG, str(n), 0) for n in range(200)]
    assert first != [draw_fault(CONFIG, str(n), 1) for n in range(200)]


def test_nothing_goes_wrong_by_default():
    assert {draw_fault(MockConfig(), str(n), 0) for n in range(200)} == {None}


def test_latency_is_log_normal_around_its_median():
    drawn = [
        draw_latency_s(MockConfig(latency_s=0.2, latency_sigma=0.3), str(n), 0) for n in range(999)
    ]
    assert 0.19 < median(drawn) < 0.21
    assert 0.3 < max(drawn) < 0.8
    assert draw_latency_s(MockConfig(latency_s=0.2, latency_sigma=0), "key", 0) == 0.2


def test_an_outage_is_counted_from_the_first_chat():
    health = Health(MockConfig(outage_at_s=2, outage_s=3))
    assert not health.is_out(102)
    health.chat_came(100)
    health.chat_came(101)
    assert [health.is_out(now) for now in (101.9, 102, 104.9, 105)] == [False, True, True, False]


def test_an_audio_that_is_too_long_makes_it_sick_for_a_while():
    health = Health(MockConfig(fail_over_s=30, sick_s=3))
    health.record_audio(30, 100)
    assert not health.is_sick(100)
    health.record_audio(31, 100)
    assert [health.is_sick(now) for now in (100, 102.9, 103)] == [True, True, False]
