"""Probabilities, confidences and logits: numbers of a classifier, not of a sound."""

from __future__ import annotations

import re
from collections.abc import Iterator

_SHARE = r"(?:0?\.\d+|1\.0+|0|1)"  # a probability
_NO_UNIT = (
    r"(?![\d.]|[ -]?(?:s|ms|sec\w*|m|min\w*|k?hz|db\w*|lufs|bpm|semitones?|octaves?|x)\b|\s?%)"
)

_NUMBER = re.compile(r"\d+(?:\.\d+)?\s?%?")
_BEFORE, _AFTER = 64, 32  # characters around a number in which a rule can match
_NAMED_SCORE = re.compile(
    r"(?:confidence|probability|probabilities|likelihood|certainty|scores?|logits?|softmax|conf|prob)"
    r"(?: (?:score|level|value|rating))?[\"'*]*"
    rf"(?:\s*(?::|=|≈|~|\bof|\bis|\bat)[\s(\[\"*]*(?:{_SHARE}{_NO_UNIT}|-?\d+\.\d{{2,}}{_NO_UNIT}"
    r"|\d{1,3}(?:\.\d+)?\s?%)|\s*\(\s*(?:0?\.\d+|\d{1,3}(?:\.\d+)?\s?%)\s*\))",
    re.IGNORECASE,
)
_JSON_SCORE = re.compile(r'"\w+":\s?(?:0?\.\d+|1\.0+|0|1)\s?[,}]')
_P_VALUE = re.compile(
    rf"\bp(?:rob)?\s?(?:=|≈|\([^)\n]{{1,40}}\)\s?=)\s?{_SHARE}{_NO_UNIT}", re.IGNORECASE
)
_BRACKETED = re.compile(rf"\w[*\"']*\s?[(\[]\s?(?:0?\.\d{{2,}}|1\.0+)\s?[)\]]{_NO_UNIT}")
_BRACKETED_ROUGHLY = re.compile(
    rf"\w[*\"']*\s?[(\[]\s?(?:0?\.\d|1\.0|\d{{1,3}}(?:\.\d+)?\s?%)\s?[)\]]{_NO_UNIT}"
)
_LABELLED = re.compile(
    r"\b(?!(?:start|end|time|at|from|to|onset|offset|duration|length|begin)\w*\W)"
    rf"[A-Za-z]\w*[*\"']*\s?[:=]\s?[*\"']*(?:0?\.\d{{2,}}|1\.0+){_NO_UNIT}"
)
_VECTOR = re.compile(
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
    spans = list(_around_fractions(own_words))
    for span in spans:
        if any(rule.search(span) for rule in (_NAMED_SCORE, _P_VALUE, _BRACKETED, _VECTOR)):
            return True
    listed = (_BRACKETED_ROUGHLY, _LABELLED)
    return any(sum(len(rule.findall(span)) for span in spans) >= 2 for rule in listed)


def _around_fractions(text: str) -> Iterator[str]:
    """Yield the stretches of text around what may be a share, each part of the text once.

    Most captions have few numbers, and looking at these alone is ten times as fast.
    """
    start = end = 0
    for number in _NUMBER.finditer(text):
        if not _may_be_share(number.group(), text[max(0, number.start() - 2) : number.start()]):
            continue
        if number.start() - _BEFORE > end:
            if end:
                yield text[start:end]
            start = max(0, number.start() - _BEFORE)
        end = number.end() + _AFTER
    if end:
        yield text[start:end]


def _may_be_share(number: str, before: str) -> bool:
    """Whether a number can be of 0 to 1 or per cent, or stands where a score would."""
    return "." in number or "%" in number or before.endswith(".") or before.rstrip()[-1:] in "=:≈~"
