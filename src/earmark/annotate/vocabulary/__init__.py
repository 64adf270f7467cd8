"""Tags of a corpus to the Unified Tag System: normalize, count, score, select, lock."""

from earmark.annotate.vocabulary.config import DOMAINS, Domain, VocabularyConfig
from earmark.annotate.vocabulary.lockfile import VocabularyEntry
from earmark.annotate.vocabulary.vocabulary import Vocabulary

__all__ = ["DOMAINS", "Domain", "Vocabulary", "VocabularyConfig", "VocabularyEntry"]
