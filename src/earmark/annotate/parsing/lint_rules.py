"""The ways in which a caption can be wrong, each with its rule.

Prompt echoes: chat templates, roles and instructions. Leaked scores: probabilities, confidences
and logits, numbers of a classifier and not of a sound. Refusals: known by their first words, or by
what only a model says of itself; what a clip's speaker says stands in quotation marks and is not
read.

Repetition has two measures, as models degenerate in two ways. A loop repeats a stretch back to
back until it is cut off (Holtzman et al., "The curious case of neural text degeneration", 2020); a
text that says the same things over in changing order has a large share of n-grams that are not new
(Rae et al., "Scaling language models", 2021, appendix A.1). Refrains and laughter stay below both
limits: they are short against the text around them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from earmark.annotate.parsing.text import WIDE_CHARACTERS

MIN_ECHO_WORDS = 8
"""So many of the instruction's words in a row are no coincidence."""

_CHAT_TEMPLATE = re.compile(
    r"<\|[A-Za-z_]{2,24}\|>|</?(?:start|end)_of_turn>|\[/?INST\]|<</?SYS>>|</?s>|<think>"
)

_ROLE = re.compile(
    r"(?:system|user|human|assistant|model)\s*(?::|\n)|###\s*(?:instruction|human|user)"
)

_COMMAND = re.compile(
    r"(?:please\s+)?(?:listen\s+(?:carefully\s+)?to|describe|caption|transcribe|analy[sz]e"
    r"|summari[sz]e|provide|generate|write)\s+(?:(?:what|all|everything|the|this|a|an|your|me|for"
    r"|following|given|provided|attached|short|brief|detailed|comprehensive|and)\s+)*"
    r"(?:audio|sounds?|clip|recording|captions?|descriptions?|you\s+(?:can\s+)?hear)\b"
)

_ECHO_WORD = re.compile(r"\w+")


def echoes_prompt(text: str, instruction: str) -> bool:
    """Whether the answer holds the template's marks, a role, or what the model was asked."""
    if _CHAT_TEMPLATE.search(text):
        return True
    start = text[:200].lstrip("\"'“‘*_#> ").lower()
    if _ROLE.match(start) or _COMMAND.match(start):
        return True
    asked = _ECHO_WORD.findall(instruction.lower())
    if not asked:
        return False
    said = f" {' '.join(_ECHO_WORD.findall(text.lower()))} "
    if len(asked) < MIN_ECHO_WORDS:
        return said.startswith(f" {' '.join(asked)} ")
    runs = (
        asked[first : first + MIN_ECHO_WORDS] for first in range(len(asked) - MIN_ECHO_WORDS + 1)
    )
    return any(f" {' '.join(run)} " in said for run in runs)


_SHARE_PATTERN = r"(?:0?\.\d+|1\.0+|0|1)"  # a probability

_NO_UNIT = (
    r"(?![\d.]|[ -]?(?:s|ms|sec\w*|m|min\w*|k?hz|db\w*|lufs|bpm|semitones?|octaves?|x)\b|\s?%)"
)

_NUMBER = re.compile(r"\d+(?:\.\d+)?\s?%?")

_CHARACTERS_BEFORE, _CHARACTERS_AFTER = (
    64,
    32,
)  # characters around a number in which a rule can match

_NAMED_SCORE = re.compile(
    r"(?:confidence|probability|probabilities|likelihood|certainty|scores?|logits?|softmax|conf|prob)"
    r"(?: (?:score|level|value|rating))?[\"'*]*"
    rf"(?:\s*(?::|=|≈|~|\bof|\bis|\bat)[\s(\[\"*]*(?:{_SHARE_PATTERN}{_NO_UNIT}|-?\d+\.\d{{2,}}{_NO_UNIT}"
    r"|\d{1,3}(?:\.\d+)?\s?%)|\s*\(\s*(?:0?\.\d+|\d{1,3}(?:\.\d+)?\s?%)\s*\))",
    re.IGNORECASE,
)

_JSON_SCORE = re.compile(r'"\w+":\s?(?:0?\.\d+|1\.0+|0|1)\s?[,}]')

_P_VALUE = re.compile(
    rf"\bp(?:rob)?\s?(?:=|≈|\([^)\n]{{1,40}}\)\s?=)\s?{_SHARE_PATTERN}{_NO_UNIT}", re.IGNORECASE
)

_BRACKETED_SCORE = re.compile(rf"\w[*\"']*\s?[(\[]\s?(?:0?\.\d{{2,}}|1\.0+)\s?[)\]]{_NO_UNIT}")

_ROUGH_BRACKETED_SCORE = re.compile(
    rf"\w[*\"']*\s?[(\[]\s?(?:0?\.\d|1\.0|\d{{1,3}}(?:\.\d+)?\s?%)\s?[)\]]{_NO_UNIT}"
)

_LABELED_SCORE = re.compile(
    r"\b(?!(?:start|end|time|at|from|to|onset|offset|duration|length|begin)\w*\W)"
    rf"[A-Za-z]\w*[*\"']*\s?[:=]\s?[*\"']*(?:0?\.\d{{2,}}|1\.0+){_NO_UNIT}"
)

_SCORE_VECTOR = re.compile(
    rf"[\[(]\s?-?\d+\.\d{{2,}}(?:,\s?-?\d+\.\d{{2,}}){{2,}},?\s?(?:\.\.\.|…)?\s?[\])]{_NO_UNIT}"
)


def leaks_scores(text: str, own_words: str) -> bool:
    """Whether the answer gives a classifier's numbers: "dog (0.87)", "confidence: 92 %".

    Quantities with a unit, dates and times are measurements, and pass.

    Args:
        text: the answer.
        own_words: the answer without quotations.
    """
    if '":' in text and _JSON_SCORE.search(text):
        return True
    spans = list(_score_contexts(own_words))
    for span in spans:
        if any(
            rule.search(span) for rule in (_NAMED_SCORE, _P_VALUE, _BRACKETED_SCORE, _SCORE_VECTOR)
        ):
            return True
    listed = (_ROUGH_BRACKETED_SCORE, _LABELED_SCORE)
    return any(sum(len(rule.findall(span)) for span in spans) >= 2 for rule in listed)


def _score_contexts(text: str) -> Iterator[str]:
    """Yield the stretches of text around what may be a share, each part of the text once.

    Most captions have few numbers, and looking at these alone is ten times as fast.
    """
    start = end = 0
    for number in _NUMBER.finditer(text):
        if not _may_be_score(number.group(), text[max(0, number.start() - 2) : number.start()]):
            continue
        if number.start() - _CHARACTERS_BEFORE > end:
            if end:
                yield text[start:end]
            start = max(0, number.start() - _CHARACTERS_BEFORE)
        end = number.end() + _CHARACTERS_AFTER
    if end:
        yield text[start:end]


def _may_be_score(number: str, before: str) -> bool:
    """Whether a number can be of 0 to 1 or per cent, or stands where a score would."""
    return "." in number or "%" in number or before.endswith(".") or before.rstrip()[-1:] in "=:≈~"


_CANNOT = (
    r"(?:can\s?not|can't|could\s?n[o']t|am unable to|'m unable to|am not able to|'m not able to)"
)

_LISTEN = r"(?:process|listen|access|hear|play|analy[sz]e|open|receive|perceive|interpret)"

# What a model says at the start of an answer, of itself.
_REFUSAL_START = re.compile(
    r"(?:hello|hi|sorry|apologies|unfortunately|my apologies|thank you)?[,.!\s]*(?:but\s+)?"
    r"(?:i(?:'m| am) (?:very |so |really |truly )?(?:sorry|afraid)\b"
    r"|i apologi[sz]e\b|my apologies\b"
    rf"|(?:as (?:an?|the) [\w\s-]{{2,40}},? )?i ?{_CANNOT} (?:\w+ )?"
    rf"(?:{_LISTEN}|help|assist|describe|provide|fulfil?l|comply|caption|transcribe|generate"
    r"|create|identify|determine|directly|complete|continue|do (?:this|that))"
    r"|i (?:do not|don't) (?:currently )?have (?:access|the (?:ability|capability)|any audio)"
    r"|i (?:did not|didn't|don't|do not) (?:receive|see|have|hear) (?:any|an|the) (?:audio|file)"
    r"|(?:es )?tut mir leid|ich kann (?:ihnen|dir|die|das|leider|keine)|leider kann ich"
    r"|(?:je suis )?désolée?,? (?:mais )?je|je ne (?:peux|suis) pas (?:en mesure|capable|\w+er\b)"
    r"|lo siento,|no puedo (?:ayudar|procesar|escuchar|describir)"
    r"|mi dispiace,|non posso (?:ascolt|aiut)"
    r"|desculpe,|sinto muito,|não (?:posso|consigo) (?:ouvir|ajudar|processar)"
    r"|(?:很|非常)?抱歉|对不起，我|我无法|作为(?:一个)?(?:人工智能|ai)|申し訳|죄송)"
)

# What a model says of itself or of its input anywhere in an answer.
_REFUSAL = re.compile(
    r"\bas an? (?:ai|artificial intelligence|(?:large )?language model|text-based)"
    r"(?: (?:language model|assistant|model))?,? i\b"
    r"|\bi(?:'m| am) (?:just |only )?an? (?:ai|language model|text-based|virtual assistant)\b"
    rf"|(?:\bi ?{_CANNOT}|(?:\A|[.!?\n] *)unable to) (?:directly )?{_LISTEN} (?:to )?"
    r"(?:(?:the|this|any|your|an|that) )?(?:provided |actual |attached )?(?:audio|sound files?)"
    r"|\bno audio (?:file |clip |input |data |content |recording |was |is |has been )*"
    r"(?:provided|attached|included|uploaded|given|received|supplied|detected in your)\b"
    r"|(?:(?:\A|[.!?\n] *)(?:please|kindly)|\bcould you(?: please)?) "
    r"(?:provide|upload|share|attach|send) "
    r"(?:me )?(?:(?:with )?(?:the|an?|your|more) )?(?:actual |valid )?"
    r"(?:audio|sound|recording|file|clip)"
)

# Without one of these nothing matches, and finding that out is ten times as fast.
_REFUSAL_MARKERS = (
    *("as an ai", "artificial", "language model", "text-based", "i'm a", "i am a", "i'm just"),
    *("i'm only", "can not", "cannot", "can't", "could not", "couldn't", "able to", "no audio"),
    *("please", "kindly", "could you"),
)


def is_refusal(own_words: str) -> bool:
    """Whether the model speaks of itself or of missing audio.

    Args:
        own_words: the answer without quotations, which may hold a refusal that was said aloud.
    """
    lower = own_words.lower().replace("’", "'")
    if _REFUSAL_START.match(lower.lstrip("*_#> \n")):
        return True
    return any(sign in lower for sign in _REFUSAL_MARKERS) and _REFUSAL.search(lower) is not None


MIN_LOOP_WORDS = 24
"""A loop covers at least so many words: ten times "ha" is laughter."""

MIN_REPEATED_NGRAMS = MIN_LOOP_WORDS // 2 - 3
"""That any loop of so many words has: it repeats at least half of them."""

MIN_RUN_CHARACTERS = 48
"""A loop without spaces ("hahaha...", "!!!!!!...") is at least so long."""

MAX_UNIT_CHARACTERS = 8

NGRAM_WORDS = 4

MIN_NGRAMS = 30
"""Texts with fewer n-grams have too few for a share."""

MIN_WORDS_PER_CHARACTER = 1 / 12
"""Fewer words than this a character, and the text is of a script without spaces."""

_UNSPACED_WORD = re.compile(rf"[{WIDE_CHARACTERS}]|[^\W{WIDE_CHARACTERS}]+")


def is_repetitive(text: str, most_repeats: int, most_repeated_share: float) -> bool:
    """Whether `text` loops.

    Args:
        text: any text; case does not count.
        most_repeats: times that the same words may stand one after the other.
        most_repeated_share: of the text's 4-grams, may have stood in it before (0 to 1).
    """
    words = text.lower().split()
    if any(len(word) >= MIN_RUN_CHARACTERS and _word_loops(word) for word in words):
        return True
    if len(words) < MIN_WORDS_PER_CHARACTER * len(text):
        words = _UNSPACED_WORD.findall(text.lower())
    count = len(words) - NGRAM_WORDS + 1
    repeated = count - len(set(zip(*(words[skip:] for skip in range(NGRAM_WORDS)), strict=False)))
    if count >= MIN_NGRAMS and repeated > most_repeated_share * count:
        return True
    return repeated >= MIN_REPEATED_NGRAMS and _has_loop(words, most_repeats)


def _has_loop(words: Sequence[str], most_repeats: int) -> bool:
    """Whether a stretch of words stands more than `most_repeats` times in a row."""
    for period in _loop_periods(words):
        differ = [i for i in range(len(words) - period) if words[i] != words[i + period]]
        edges = [-1, *differ, len(words) - period]
        covered = max(after - before - 1 for before, after in pairwise(edges)) + period
        if covered >= max(MIN_LOOP_WORDS, (most_repeats + 1) * period):
            return True
    return False


def _loop_periods(words: Sequence[str]) -> list[int]:
    """Return the distances at which n-grams come again often enough to be a loop's period."""
    last: dict[tuple[str, ...], int] = {}
    distances: Counter[int] = Counter()
    for position, ngram in enumerate(
        zip(*(words[skip:] for skip in range(NGRAM_WORDS)), strict=False)
    ):
        if ngram in last:
            distances[position - last[ngram]] += 1
        last[ngram] = position
    return [distance for distance, count in distances.items() if count >= MIN_REPEATED_NGRAMS]


def _word_loops(word: str) -> bool:
    """Whether a long run without spaces ends in one to eight characters, repeated."""
    tail = word[-MIN_RUN_CHARACTERS:]
    periods = range(1, MAX_UNIT_CHARACTERS + 1)
    return not _is_markdown_rule(tail) and any(
        tail[period:] == tail[:-period] for period in periods
    )


def _is_markdown_rule(run: str) -> bool:
    """Whether this is a line drawn in Markdown or a table's border."""
    return not set(run) - set("-=_*~|:+")
