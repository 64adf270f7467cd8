"""What models say of themselves instead of describing a clip.

A refusal is known by its first words, or by what only a model says of itself and its input. What a
clip's speaker says stands in quotation marks and is not read here.
"""

from __future__ import annotations

import re

_CANNOT = (
    r"(?:can\s?not|can't|could\s?n[o']t|am unable to|'m unable to|am not able to|'m not able to)"
)
_HEARING = r"(?:process|listen|access|hear|play|analy[sz]e|open|receive|perceive|interpret)"

# What a model says at the start of an answer, of itself.
_REFUSAL_START = re.compile(
    r"(?:hello|hi|sorry|apologies|unfortunately|my apologies|thank you)?[,.!\s]*(?:but\s+)?"
    r"(?:i(?:'m| am) (?:very |so |really |truly )?(?:sorry|afraid)\b"
    r"|i apologi[sz]e\b|my apologies\b"
    rf"|(?:as (?:an?|the) [\w\s-]{{2,40}},? )?i ?{_CANNOT} (?:\w+ )?"
    rf"(?:{_HEARING}|help|assist|describe|provide|fulfil?l|comply|caption|transcribe|generate"
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
    rf"|(?:\bi ?{_CANNOT}|(?:\A|[.!?\n] *)unable to) (?:directly )?{_HEARING} (?:to )?"
    r"(?:(?:the|this|any|your|an|that) )?(?:provided |actual |attached )?(?:audio|sound files?)"
    r"|\bno audio (?:file |clip |input |data |content |recording |was |is |has been )*"
    r"(?:provided|attached|included|uploaded|given|received|supplied|detected in your)\b"
    r"|(?:(?:\A|[.!?\n] *)(?:please|kindly)|\bcould you(?: please)?) "
    r"(?:provide|upload|share|attach|send) "
    r"(?:me )?(?:(?:with )?(?:the|an?|your|more) )?(?:actual |valid )?"
    r"(?:audio|sound|recording|file|clip)"
)

# Without one of these nothing matches, and finding that out is ten times as fast.
_SIGNS = (
    *("as an ai", "artificial", "language model", "text-based", "i'm a", "i am a", "i'm just"),
    *("i'm only", "can not", "cannot", "can't", "could not", "couldn't", "able to", "no audio"),
    *("please", "kindly", "could you"),
)


def refuses(own_words: str) -> bool:
    """Whether the model speaks of itself or of missing audio.

    Args:
        own_words: the answer without quotations, which may hold a refusal that was said aloud.
    """
    lower = own_words.lower().replace("’", "'")
    if _REFUSAL_START.match(lower.lstrip("*_#> \n")):
        return True
    return any(sign in lower for sign in _SIGNS) and _REFUSAL.search(lower) is not None
