from __future__ import annotations

import socket

from earmark.annotate.backends.vllm.resources import reserve_port


def test_ports_that_are_taken_are_passed_over():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        number = held.getsockname()[1]
        port = reserve_port(number)
        try:
            assert port.number > number
        finally:
            port.close()


def test_a_port_is_held_before_anything_listens_on_it():
    first = reserve_port(23_456)
    second = reserve_port(first.number)
    assert second.number > first.number
    first.close()
    again = reserve_port(first.number)
    assert again.number == first.number
    again.close()
    second.close()
