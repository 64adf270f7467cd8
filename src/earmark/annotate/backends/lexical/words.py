"""Words that the lexical tagger treats in a way of their own. Lower case and singular.

The lists were drawn from what is frequent in public captions (AudioCaps, Clotho, MusicCaps,
WavCaps) yet says nothing about a clip: a tag is dropped where any clip could have it.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _pairs(text: str) -> dict[str, str]:
    return dict(pair.split(":") for pair in text.split())


CAPTION_WORDS = (
    # the caption speaking of itself and of its listener
    _words(
        """audio recording clip sound soundscape sample excerpt segment snippet file caption
        description summary overview conclusion analysis interpretation indication impression
        sense evidence hint suggestion presence absence lack nature quality character
        characteristic feature element aspect component detail content context example
        information listener viewer hearer ear source event occurrence activity action
        foreground background backdrop forefront distance vicinity proximity"""
    )
    # time, order and amount
    | _words(
        """second minute hour millisecond moment time duration length period interval instant
        beginning start end ending middle midpoint opening closing onset half third quarter rest
        remainder first last next final previous following initial subsequent entire whole full
        once twice amount number lot bit bunch couple few several many more most much less
        least various variety range series set group pair kind sort type form array
        different same similar other another such own certain particular specific additional
        further multiple single double total each every some any all both enough extra only"""
    )
    # measures
    | _words(
        """hertz hz khz kilohertz decibel db dbfs lufs lkfs bpm percent percentage degree level rate
        value ratio average median maximum minimum measure measurement amplitude intensity
        frequency magnitude spectrum spectral centroid bandwidth onset range octave semitone
        loudness peak peaking averaging spanning intonation syllable timbre overtone decay attack
        sum"""
    )
    # places and shapes of anything
    | _words(
        """thing something someone somebody anything everything nothing one way manner part
        piece place point position side top bottom front back left right center centre edge
        area space spot item object stuff fact case matter issue problem purpose use effect
        result cause reason idea role instance state situation process series version
        combination mix mixture blend balance detail pattern sequence style
        approach line section surface contrast change variation difference addition"""
    )
    # adjectives that praise, hedge or point
    | _words(
        """present audible clear good bad nice great able likely possible probable apparent
        evident obvious noticeable discernible distinct distinctive notable prominent
        main major minor overall general typical usual common normal regular standard
        suitable appropriate available necessary due sure true real actual original new
        old open close nearby little big like unlike absent free devoid
        consistent characteristic indicative suggestive reminiscent relative significant
        slight moderate considerable subtle complete very unknown
        unidentified unspecified unclear visible"""
    )
    # verbs that only join a subject to what follows
    | _words(
        """being having doing making getting going coming giving taking using including
        featuring containing consisting following starting beginning ending continuing
        happening occurring becoming remaining keeping staying lasting being seeming
        sounding hearing listening producing creating causing providing adding giving
        suggesting indicating implying conveying evoking reflecting revealing showing
        accompanying according regarding considering based trying putting
        letting allowing helping leading making standing lying sitting appearing existing
        capturing emphasizing highlighting enhancing maintaining
        contributing resulting belonging lacking occur play pass move stop start turn hear
        about mid playing used heard followed made
        accompanied given perceived detected recorded noted contained"""
    )
)
"""Never a tag: the words captions are built with, whatever they describe."""

WEAK_TAGS = _words(
    """noise song track tune pitch tone tempo volume beat note chord key register
    layer lead pause bar stream person people individual human adult member
    low high loud small large long short strong deep wide heavy light hard easy
    simple complex medium even constant continuous steady occasional intermittent
    gradual brief frequent repeated repetitive random quick
    room environment atmosphere setting scene mood feeling feel vibe tension energy
    movement motion material machine vehicle air ground speed pace force
    word phrase sentence statement message speaker run talk speak work
    running moving passing working changing increasing decreasing repeating
    performing holding hitting operating rising falling building
    movie video soundtrack show film
    poor amateur clean modern traditional professional home theme
    hand body day morning technique performance player performer
    melody rhythm instrument hit channel count image figure accompaniment composition
    arrangement genre"""
)
"""True but thin: kept only where a caption has little else to say."""

SOUND_VERBS = _pairs(
    """speak:speaking talk:talking sing:singing whisper:whispering shout:shouting yell:yelling
    scream:screaming laugh:laughing giggle:giggling chuckle:chuckling cry:crying sob:sobbing
    cough:coughing sneeze:sneezing snore:snoring breathe:breathing sigh:sighing gasp:gasping
    burp:burping hiccup:hiccuping chew:chewing slurp:slurping gargle:gargling cheer:cheering
    applaud:applauding clap:clapping chatter:chattering mumble:mumbling murmur:murmuring
    whistle:whistling hum:humming chant:chanting rap:rapping bark:barking howl:howling
    growl:growling whimper:whimpering whine:whining meow:meowing purr:purring hiss:hissing
    neigh:neighing moo:mooing bleat:bleating baa:bleating oink:oinking snort:snorting
    cluck:clucking crow:crowing quack:quacking honk:honking chirp:chirping tweet:tweeting
    squawk:squawking caw:cawing coo:cooing hoot:hooting gobble:gobbling croak:croaking
    ribbit:croaking buzz:buzzing roar:roaring squeak:squeaking squeal:squealing
    screech:screeching creak:creaking rattle:rattling clatter:clattering clank:clanking
    clang:clanging clink:clinking jingle:jingling tinkle:tinkling chime:chiming ring:ringing
    beep:beeping bleep:beeping tick:ticking knock:knocking tap:tapping
    thump:thumping bang:banging slam:slamming crash:crashing smash:smashing shatter:shattering
    crack:cracking crackle:crackling crinkle:crinkling crunch:crunching crumple:crumpling
    rustle:rustling scrape:scraping scratch:scratching rub:rubbing saw:sawing drill:drilling
    hammer:hammering sand:sanding grind:grinding type:typing sizzle:sizzling fry:frying
    boil:boiling bubble:bubbling gurgle:gurgling drip:dripping splash:splashing
    trickle:trickling spray:spraying flush:flushing rain:raining thunder:thundering
    rumble:rumbling rev:revving idle:idling accelerate:accelerating vibrate:vibrating
    whir:whirring whirr:whirring whoosh:whooshing explode:exploding
    gallop:galloping trot:trotting flap:flapping strum:strumming drum:drumming toll:tolling
    gush:gushing patter:pattering pop:popping click:clicking snap:snapping wail:wailing"""
)
"""Verbs that say what is heard, by lemma: in any tense they are a tag, their -ing form."""

STRONG_MODIFIERS = _words(
    """male female acoustic electric electronic synth synthesizer groovy punchy energetic
    emotional passionate instrumental digital live ambient melodic upbeat happy romantic
    pop rock classical jazz folk metal country blues funk soul techno reggae disco edm orchestral
    bass guitar"""
)
"""Modifiers that are worth nearly as much as the noun that they stand before."""

TAG_PARTICIPLES = _words(
    """distorted muffled clipped compressed filtered amplified detuned synthesized synthesised
    muted damped dampened layered looped overdriven saturated autotuned whispered sung plucked
    strummed bowed hummed rapped chanted"""
)
"""Participles that are tags after a verb too ("the voice is muffled"), not only before a noun."""

SINGULARS = {
    "blues": "blues",
    "revs": "rev",
    "hooves": "hoof",
    "geese": "goose",
    "eyes": "eye",
    "congas": "conga",
    "bongos": "bongo",
    "maracas": "maraca",
    "strings": "strings",
    "keys": "keys",
}
"""Where the model's lemma is wrong."""

USAGE_VERBS = _words("use suit fit play imagine picture serve accompany enjoy belong")
"""Verbs of sentences on where a clip could be used ("this could be used in a film")."""

EXISTENCE_PREDICATES = _words(
    """be exist occur appear present audible hear detect perceive find discern notice
    identify observe measure record contain available evident noticeable discernible
    detectable perceptible distinguishable visible recognize register"""
)
"""Predicates whose denial denies their subject: "music is not present"."""

ABSENCE_WORDS = _words("lack absent missing absence devoid free exclude omit avoid")
"""Words that deny what they govern: "absence of speech", "free from distortion"."""

NEGATIVE_WORDS = _words("no little minimal negligible hardly barely scarcely zero neither nor")
"""Words that, before a noun, deny it or nearly: "minimal reverberation"."""

EXCEPTION_WORDS = _words("except besides apart aside but only beyond save")
"""Words that end a denial: "nothing but rain", "no sound except a clock"."""

OPEN_COMPOUNDS = frozenset(
    {
        ("hi", "hat"),
        ("hip", "hop"),
        ("lo", "fi"),
        ("high", "pitched"),
        ("low", "pitched"),
        ("high", "fidelity"),
        ("low", "fidelity"),
        ("low", "quality"),
        ("poor", "quality"),
        ("high", "quality"),
        ("white", "noise"),
        ("singing", "bowl"),
        ("race", "car"),
        ("drum", "machine"),
        ("emergency", "vehicle"),
        ("slow", "tempo"),
        ("medium", "tempo"),
        ("moderate", "tempo"),
        ("fast", "tempo"),
        ("amateur", "recording"),
        ("live", "recording"),
        ("live", "performance"),
    }
)
"""Two words that captions write apart and that mean nothing apart: one tag, with a hyphen."""

MEASURE_WORDS = _words(
    """one two three four five six seven eight nine ten eleven twelve twenty thirty forty
    fifty sixty hundred thousand half quarter second minute hour bit note bar year"""
)
"""Parts that make a hyphenated word a measure ("two-second", "16-bit"), which is no tag."""


def word_lists() -> list[object]:
    """Return everything in this file, in a stable order, for the tagger's fingerprint."""
    sets = (
        *(
            CAPTION_WORDS,
            WEAK_TAGS,
            STRONG_MODIFIERS,
            TAG_PARTICIPLES,
            USAGE_VERBS,
            EXISTENCE_PREDICATES,
            ABSENCE_WORDS,
            NEGATIVE_WORDS,
            EXCEPTION_WORDS,
            MEASURE_WORDS,
        ),
        OPEN_COMPOUNDS,
    )
    return [*(sorted(words) for words in sets), SINGULARS, SOUND_VERBS]
