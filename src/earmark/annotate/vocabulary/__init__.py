"""Tags of a corpus to the Unified Tag System: normalise, count, score, select, lock."""

from .config import DOMAINS, Domain, VocabularyConfig
from .locking.lock import Vocabulary, VocabularyEntry

__all__ = ["DOMAINS", "Domain", "Vocabulary", "VocabularyConfig", "VocabularyEntry"]
