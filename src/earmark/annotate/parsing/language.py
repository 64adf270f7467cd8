"""Whether a text is in the requested language: by its script, then by its function words.

No language is detected: short captions of names, loan words and musical terms cannot be told apart
without a model. A text is only refused where the evidence speaks against it: another script, or
clearly more function words of another language (the oldest method there is: Cavnar and Trenkle,
"N-gram-based text categorization", 1994, take it as the baseline).
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Literal

Language = Literal["any", "en", "de", "fr", "es", "it", "pt", "nl", "zh", "ja", "ko"]

MIN_WORDS = 8
"""Shorter texts are not judged by their words."""

MIN_LETTERS = 12
"""Texts with fewer letters are not judged by their script."""

MIN_SCRIPT_SHARE = 0.6
"""Of the letters, in the script of the language; the rest are names and loans."""

FLUENT_FUNCTION_SHARE = 0.25
"""Of the words, function words of the language: running text of any of these has 0.3 to 0.5."""

MIN_FUNCTION_SHARE = 0.12
"""Of the words, function words of another language, that speak for it."""

MIN_FUNCTION_WORDS = 3
"""Of another language, that a text must have to be taken for its own."""

MIN_ADVANTAGE = 1.5
"""How many times more function words another language must have to be taken for the text's."""

LETTERS_PER_WIDE_CHARACTER = 2.5
"""A Chinese, Japanese or Korean character says about as much as this many Latin letters."""

_ASCII_LETTERS = string.ascii_letters.encode()
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")
_LATIN = re.compile(r"[À-ɏ]")
_OTHER_SCRIPT = re.compile(r"[\u0370-\u10ff\u1200-\u1fff\ua640-\uabff]")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_KANA = re.compile(r"[\u3040-\u30ff]")
_HANGUL = re.compile(r"[\u1100-\u11ff\uac00-\ud7af]")
_WORD = re.compile(r"[a-zà-ɏß]+(?:['’][a-zà-ɏ]+)?")

# The commonest words of grammar; some stand in several languages, which then tie.
_FUNCTION_WORDS: Mapping[str, str] = {
    "en": """a about after all also an and another any are as at away be becoming been before
        being between both but by can creating could during each else even ever every few followed
        for from had has have he heard her his how in indicating into is it its just like likely
        more most much near no nor not of off on one only onto or other others out over own she
        since so some somewhere still such suggesting than that the their them then there these
        they this those through throughout to toward towards two under until up upon very was we
        were what when where which while who whose will with within without would you your""",
    "de": """aber alle als am an auch auf aus bei beim bis bleibt da dabei dann das dass dem den
        der des die dies diese dieser dieses doch du durch ein eine einem einen einer eines er es
        etwas für gegen hat hinter ich ihm ihr ihre im in ins ist jede jedoch kann kein keine mehr
        mit nach nicht noch nur ob oder ohne sehr sein seine sich sie sind so sowie um und uns
        unter vom von vor war was wenn werden wie wird während zu zum zur zwei zwischen über""",
    "fr": """à alors après au aussi autre aux avec avant c'est ce ces cet cette comme d'un d'une
        dans de depuis derrière des deux donc du elle elles en encore entre est et être il ils je
        l'on la le les leur lui mais même ne nous on ont ou où par pas pendant plus pour puis
        qu'il que qui s'est sa sans se ses si son sont sous sur tandis tout tous toute très un une
        vers vous y""",
    "es": """a al algo antes aunque bajo cada como con contra cuando de del desde después donde
        dos durante e el ella ellos en entre era es esta este esto estos está están fue ha hacia
        hasta hay la las le lo los luego mientras más muy ni no nos o otra otro para pero por
        porque que quien se ser si sin sobre son su sus también tan todo todos tras un una unas
        unos y ya""",
    "it": """a ad ai al alla alle allo anche ancora che chi ci come con contro cui da dal dalla
        dalle degli dei del della delle dello di dopo dove due durante e è ed era fino fra gli ha
        hanno i il in io la le lo loro ma mentre molto ne nei nel nella nelle non o ogni per
        perché però più poi prima quando questa questo qui se senza si sia sono su sua sul sulla
        suo suoi tra tutti tutto un una uno verso""",
    "pt": """a à ao aos após as às até com como contra da das de depois do dois dos durante e ela
        ele em enquanto entre era essa esse esta este está estão eu foi há isso já lhe mais mas me
        mesmo muito na nas nem no nos não o os ou outra outro para pela pelas pelo pelos por
        porque qual quando que quem se sem ser seu seus sob sobre são sua suas também tem toda
        todo todos um uma umas uns você""",
    "nl": """aan achter al alle als bij daar dan dat de deze die dit doet dus een en er gaat geen
        haar had heeft hem het hier hij hoe hun ik in is je kan klinkt maar meer met na naar niet
        nog nu of om onder ook op over te tegen terwijl toch tot tussen twee uit van veel voor
        vooral waar was wat we wel werd wie wordt worden zeer ze zich zij zijn zo zonder""",
}


def is_foreign(text: str, language: Language) -> bool:
    """Whether `text` is clearly not in `language`; "any" is never foreign.

    Give it prose without quotations: what is sung or said may be in any language.
    """
    if language == "any":
        return False
    letters, share = _script_share(text, language)
    if letters < MIN_LETTERS:
        return False
    if share < MIN_SCRIPT_SHARE:
        return True
    return language in _FUNCTION_WORDS and _is_another_language(text.lower(), language)


def _script_share(text: str, language: Language) -> tuple[float, float]:
    """Return how many letters the text has, and which share of them is in the right script."""
    plain = text.encode("ascii", "ignore")
    ascii_letters = len(plain) - len(plain.translate(None, _ASCII_LETTERS))
    beyond = "".join(_BEYOND_ASCII.findall(text))
    latin = ascii_letters + len(_LATIN.findall(beyond))
    han, kana, hangul = (
        LETTERS_PER_WIDE_CHARACTER * len(script.findall(beyond))
        for script in (_HAN, _KANA, _HANGUL)
    )
    letters = latin + len(_OTHER_SCRIPT.findall(beyond)) + han + kana + hangul
    if language == "ja":
        # Every Japanese sentence has kana; Chinese has none.
        right = han + kana if kana >= han / 10 else kana
    elif language == "zh":
        right = han if kana < han / 10 else 0.0
    else:
        right = hangul if language == "ko" else latin
    return letters, right / letters if letters else 1.0


def _is_another_language(lower: str, language: str) -> bool:
    """Whether another language's function words clearly outnumber those of this one."""
    if _is_fluent(lower.split(), language):
        return False
    words = _WORD.findall(lower)
    if len(words) < MIN_WORDS or _is_fluent(words, language):
        return False
    counts = dict.fromkeys(_FUNCTION_WORDS, 0)
    for word in words:
        for spoken in _languages_by_word().get(word, ()):
            counts[spoken] += 1
    own = counts.pop(language)
    most = max(counts.values())
    enough = max(MIN_FUNCTION_WORDS, MIN_FUNCTION_SHARE * len(words))
    return most >= enough and most > MIN_ADVANTAGE * own


def _is_fluent(words: Sequence[str], language: str) -> bool:
    """Whether so many are function words of the language that nothing else need be asked."""
    known = _function_words(language)
    return sum(word in known for word in words) >= FLUENT_FUNCTION_SHARE * len(words)


@cache
def _function_words(language: str) -> frozenset[str]:
    return frozenset(_FUNCTION_WORDS[language].split())


@cache
def _languages_by_word() -> dict[str, tuple[str, ...]]:
    """Return, for each function word, the languages that have it."""
    languages: dict[str, tuple[str, ...]] = {}
    for language in _FUNCTION_WORDS:
        for word in _function_words(language):
            languages[word] = (*languages.get(word, ()), language)
    return languages
