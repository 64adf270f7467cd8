"""A clip's measurements together with the words that were chosen for them."""

from __future__ import annotations

from dataclasses import dataclass

from earmark.annotate.backends.acoustic.descriptors import Traits, traits_of
from earmark.annotate.backends.acoustic.manner import Manner, manner_of
from earmark.annotate.backends.acoustic.measure import Measurements
from earmark.annotate.backends.acoustic.naming import Kind, Named, kind_of, name_events
from earmark.annotate.backends.acoustic.wording import Chooser


@dataclass(frozen=True)
class Findings:
    """All that sentences are written from."""

    measured: Measurements
    kind: Kind
    named: Named
    traits: Traits
    manner: Manner
    choose: Chooser


def find(measured: Measurements, seed: str) -> Findings:
    """Choose kind, names and traits; `seed`, a digest of the clip, chooses among wordings."""
    kind = kind_of(measured)
    named = name_events(measured.events or (), kind)
    traits, manner = traits_of(measured, kind), manner_of(measured, kind)
    return Findings(measured, kind, named, traits, manner, Chooser(seed))
