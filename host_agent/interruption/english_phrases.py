"""English phrases whose words belong together, with what the whole of each does. Pure.

A pattern stands for many phrases: `[a|b|]` is one of its parts, or nothing.
"""

from __future__ import annotations

import re
from itertools import product
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_ACKNOWLEDGING = """
    uh huh; um hum; um hmm; um hm; mm hm; mm hmm; mm mm; uh hum; huh uh huh; unh hunh; m hm; m hmm
    all right; of course [not|]; got it [all|]; got [you|that|ya]; i got [it|you|that|ya]; i see [that|now|]
    i [totally|completely|fully|really] [agree|concur] [with you|with that|there|]
    i [absolutely|definitely|strongly|do|] [agree|concur] [with you|with that|there|]
    [totally|completely|fully|absolutely|definitely] agree [with you|with that|]; agree [with you|with that]
    i [totally|completely|fully|really|absolutely|definitely|certainly|do|] understand [that|it|you|]
    i [totally|completely|really|do|] [get|feel] [it|that|you|ya]; i hear [you|ya|that]; i feel you
    i [really|do|totally|] believe [it|that|you|so]; i know [it|that|right|exactly]
    i [do|] remember [that|it|those|them|]
    i [know|see|get|understand|hear] [exactly|just|] what you [mean|mean there|are saying]
    i [know|see|get|understand|hear] [exactly|just|] what you're [saying|getting at]
    i know [the|that] feeling; i know how [it|that] is; i know how you feel; i know what [it's|that's] like
    i [bet|suppose|guess|imagine|figured|figure|assume] so [too|]
    i [presume|expect|hope|thought|think|believe|gather] so [too|]
    [think|hope|guess|suppose|thought] so; i [bet|figured|imagine]; i'll [bet|say]; i'm sure [of it|]
    [i|] figured as much; sure [thing|why not]
    i [would|'d|should] [think|imagine|say|hope|guess|bet|assume|agree] [so|with that|]
    i'd [think|imagine|say|hope|guess|bet|assume|agree] [so|with that|]
    i [can|can certainly|can just|can only] [imagine|see that|believe that]
    i [can|can certainly|can just|can only] [relate|relate to that|understand that]
    i [could|couldn't] agree more; couldn't agree more; i couldn't have said it better
    couldn't have said it better
    i don't [doubt it|doubt that|blame you|blame them|blame him|blame her|either]
    [can't|don't] blame [you|them|him|her]; i [do|am|did|would|was|have|can] too
    i [didn't|haven't|wouldn't|can't|couldn't|don't] either
    [so|neither|nor] [do|am|did|have|was|would|can] [i|we]; me [too|neither|either]; same here; same with me
    us too; i did know that; i think you're right; i think [that's|it's] [right|true]
    i wouldn't be surprised; i wouldn't doubt it; i can't wait; can't wait; can't complain
    can't argue with that; can't beat that
    i'm [with you|following|following you|following along|listening|all ears|still here|still with you]
    i'm with you [there|so far|on that]; with you so far; i follow [you|that|]; so far so good
    [that|which] figures; i'm [so|very|really|] [glad|happy|pleased|thrilled|sorry] to hear [that|it]
    [glad|happy|pleased|sorry|good|nice|great] to [hear|know] [that|it|]; i'm glad; i'm impressed
    i'm [not|] surprised; i appreciate [it|that|you]; much appreciated
    [thank you|thanks] [so much|very much|a lot|a bunch|again|a million|]; many thanks
    thank [goodness|god|heavens]
    you [bet|betcha|bet ya|said it|got it|got that right|know it|never know|can say that again|don't say]
    you're [absolutely|totally|quite|so|completely|probably|] right [about that|there|on that|]
    you are [so|] right; you're [kidding|joking|kidding me]; [no|not] kidding; are you kidding
    you've got that right; right you are
    [that|it] [makes|made] [perfect|total|a lot of|complete|good|more|] sense
    makes [perfect|total|complete|a lot of|] sense; make sense; makes sense to me; that would make sense
    that explains [it|that|a lot|everything|things]
    that's [it|the truth|life|for sure|a fact]
    that's [the way it goes|how it goes|how it is|the way it is|the way to go|a thought]
    that is it; that's all right
    that's [exactly|just|] what i [thought|think|heard|figured|hear|was thinking]; just what i thought
    [just|] as i [thought|expected|figured]; as expected; no surprise [there|]; my thoughts exactly
    [ain't|isn't] that the truth; isn't that something; tell me about it; how about that; who knows
    who knew
    no [doubt|wonder|problem|worries|kidding|big deal|sweat]
    no [rush|hurry|argument|argument there|joke|comment|question]
    no doubt about it; no question about it; [without|beyond] [a|] doubt; without question; good question
    that's a [good|great|fair|interesting|very good|really good|valid] question
    [fair|true|sure|good] enough; for sure; to be sure; for real; as well; very well [then|]
    [very|so|how|too|quite] true; [very|so] much so; quite so; quite right; exactly right; right on
    right again; more or less; kind of; sort of; by all means; in a way; in a sense
    not [bad|too bad|bad at all|really surprising|surprising|surprised]
    too [bad|funny|cute|cool|sweet|kind]; just great; [oh|] my [goodness|god|gosh|word|lord]
    good [grief|heavens|lord|gracious|gosh]; holy [cow|moly|smokes|mackerel]; [for|] goodness sake
    for heaven's sake; son of a gun; for crying out loud; for pete's sake; i'll be [darned|damned]
    well i'll be; i declare; mercy me; bless [you|her|him|them|your heart|her heart|his heart|their hearts]
    poor [thing|guy|girl|kid|baby|man|you|fellow]; boy oh boy; oh my; uh oh; ah ha; oh ho; ha ha; my my
    here here; hear hear; there [you|we] go; will do; okey doke; okie dokie; yes [sir|ma'am|indeed]
    good for [you|her|him|them|us]; well [said|put|done]; good one; good times
    [please|do|just|yeah|] [go on|go ahead|keep going|carry on|please continue|please go ahead]
    please continue; sounds like [it|a plan|fun]; looks like it; seems like it; seems so
    sounds [about|] right; looks that way
    [that|it] [works|would work|will work|sounds good|sounds great|sounds fine] for me
    [works|fine|good|okay|fine] [for|by|with] me; [that|it] works; sounds good to me; fine by me; all good
    copy that; roger that; whatever; [it|that] doesn't matter; doesn't matter; it figures; figures
    and so on; so i [hear|heard|see|gather]; so i've heard; so they say
    i've [heard|seen|noticed|read] [that|it|those|them|about that|of that]; i [heard|noticed|read|saw] that
    i [didn't|did not|never] know that; i feel [that way|the same way|the same] [too|]; [it|that] happens
    these things happen; been there [done that|]; story of my life; such is life; what can you do
    there [is|is always] that; amen to that; imagine that; fancy that; same difference
    more power to [you|them|him|her]; god bless [you|them|her|him|]; a [shame|pity|bummer]; as usual
    like always; oh no [no|]; [oh|] no way; [oh|] [god|lord|gosh|boy|man|dear] no
    [yeah|yes|oh] no [absolutely|definitely|totally|exactly|certainly|of course|for sure|i agree|i know]
    no [no|] [absolutely|definitely|totally|exactly|for sure|of course|i agree|i know|you're right]
    no [no|] of course not; yeah no [that's|it's] [right|true|fair|great|good|fine|cool|awesome|interesting]
    no [no|] [that's|it's] [right|true|fair]; oh no that's [terrible|awful|horrible|too bad|sad|dreadful]
    nah for sure; point taken; message received; so it seems; how very true; [pretty|very] much [so|]
    most [definitely|certainly|likely|probably]; that['d|] be nice; it'd be nice
"""
_ASKED_BACK = """
    is that [right|so|a fact|true]; is [it|he|she|that]; are [you|they]; do [you|they]
    did [you|they|she|it]; does [he|she|it|that]; was [it|he|she|that]; were [you|they]; have [you|they]
    has [he|she|it]; are [you|they] really; do [you|they] really; did [you|they|he|she|it] really
    does [it|he|she] really; is it really
"""
_RETURNED = """
    you [do|did|are|really do|sure do|sure are]; [it|that|he|she] [does|was|is|did|would]
    they [are|do|did|were]
    [it|he|she|that] [sure|really|certainly|definitely|sure as heck] [is|does|was|did|do|would]
    they [sure|really|certainly|definitely] [are|do|did|were]; sure [is|do|does|did|are|was|would]
    we [do|did]; really now; isn't [it|that|he|she]; doesn't [it|he|she]; don't [they|you|we]
    aren't [they|you|we]; wasn't [it|that]; ain't it; wouldn't [it|that|you]; don't we all; of course
    you know; i [think|guess|bet|agree|remember|imagine|suppose|hope|know|see]
    i [really|do|just|] [like|love|enjoy|enjoyed|hate] [that|it|those|them|this]; [love|like] [it|that]
    [did|does|do] too; [very|quite|most|] [probably|possibly|likely|presumably]; probably so; quite; same
    likewise; ditto; still here; i say
    that's [a lot|quite a lot|a long time|a while]
    that's [a long way|a lot of money|a lot of work|quite something|something]
    [it|that] [must|would|could|might|should] [be|have been|]; [could|must|might|would] be
    [could|might] be worse
    that's [news to me|my favorite|an idea|one way]
    that's [one way to look at it|the best part|the fun part|the hard part]
    you poor [thing|guy|man]; [we|i] love it [there|here]; we love [that|it|those]; get out [of here|]
    better late than never; i [never|hadn't] thought of that; i was afraid of that
    [i|oh] can't believe [it|that]; that makes two of us; time flies
    [live and learn|better safe than sorry|one never knows]
    [it's a small world|small world|times have changed|unreal]
    [you|we] live and learn; you learn something new every day; can't win them all; can't win 'em all
    you're welcome; seems like a lot; sounds familiar; [that|it|] rings a bell; that helps
    exactly [my point|what i mean|my thoughts]; [spot|bang|dead] on; nail on the head; you nailed it
    jolly good; i'm here; i doubt it; wish i [could|had|did|was]
    that's the [problem|thing|point|idea|spirit|key|trick|question|way|one|best|worst|only way]
    that's my [point|feeling]
    how [true|interesting|funny|neat|cool|awful|sad|terrible|strange]
    how [weird|wonderful|odd|lovely|nice|sweet|kind|cute|clever]
    how [exciting|horrible|ironic|annoying|frustrating]
    how [fascinating|amazing|beautiful|unfortunate|scary|embarrassing]
"""
_CONFIRMED = "i [do|did|would|am|should|could]"
_TAILS = """
    to [hear|know|see]; to [hear|know|see] [that|it]
    [of|for|with|by|to|about] [you|me|him|her|them|us|that|it]; so far; indeed
"""
_OTHERS = {
    "D": "[that's|it's|that is|it is] [actually|just|so]",
    "V": "[sounds|seems|looks|feels] like [a|an|]",
    "G": "i mean; you see",
    "T": "right [now|there|here]; all of",
    "W": "the right",
    "Q": "so what; how come; are you [sure|okay|right|all right|good|certain];"
    " is [it|that] [okay|correct|fine|good|possible]",
    "M": "[kind|sort] of a; a [little|bit|lot|real|very|pretty|really]; a little bit; such a",
    "E": "a [good|great|nice|fair]; so [nice|good|sweet|cute]",
    "x": "what [a|an]",
    "S": "hold [on|up]; hang on; never mind; [just|] [a|one] [second|sec|moment|minute]",
    "N": "no not",
    "F": "uh uh; um um",
}
_CHOICE = re.compile(r"\[([^\]]*)\]")


def _written(patterns: str) -> Iterable[str]:
    for pattern in re.split(r"[;\n]", patterns):
        parts = _CHOICE.split(pattern)
        choices = [part.split("|") if at % 2 else [part] for at, part in enumerate(parts)]
        for chosen in product(*choices):
            if phrase := " ".join("".join(chosen).replace(" '", "'").split()):
                yield phrase


PHRASES: Mapping[str, str] = MappingProxyType({
    **dict.fromkeys(_written(_TAILS), "t"),
    **dict.fromkeys(_written(_ASKED_BACK), "p"),
    **dict.fromkeys(_written(_RETURNED), "P"),
    **dict.fromkeys(_written(_CONFIRMED), "q"),
    **dict.fromkeys(_written(_ACKNOWLEDGING), "R"),
    **{phrase: letter for letter, patterns in _OTHERS.items() for phrase in _written(patterns)},
})  # fmt: skip
"""Phrases with the class of the whole. R acknowledges, P only where nothing but acknowledgements
follows ("it does"), p the same as a question ("do you"), q only after an acknowledgement and at the end
("i do"), t may follow praise ("of you"), x begins an exclamation ("what a"), G asks for the floor."""


def _begun(phrases: Iterable[str]) -> dict[str, str]:
    begun: dict[str, str] = {}
    for phrase in phrases:
        words = phrase.split()
        for count in range(1, len(words)):
            begun.setdefault(" ".join(words[:count]), "")
    return {**begun, **PHRASES}


BEGUN: Mapping[str, str] = MappingProxyType(_begun(PHRASES))
"""Every beginning of a phrase; one that is no phrase itself has no letter."""
