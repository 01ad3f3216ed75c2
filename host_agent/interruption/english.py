"""What English words do in a short reply: classes of words and the phrases that acknowledge. Pure.

One letter stands for one class, so that an utterance becomes a short string of letters that a pattern
can read (`reading.py`). The classes are closed lists of everyday words; a word of none is content.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

CLASSES: Mapping[str, str] = MappingProxyType({
    "H": "mm mmm mhm mhmm hm hmm hmmm mmhm mmhmm hum uhhuh umhum mhh nhn ehm mmkay unhunh umhmm uhhum",
    "A": """yeah yes yep yup yea ya yah yeh yessir ok okay okey okie kay right righto alright alrighty sure
        exactly absolutely definitely totally certainly precisely indeed true correct gotcha agreed understood
        surely roger noted obviously clearly naturally evidently""",
    "Y": "really",
    "O": """oh ah aha ahh ooh ohh ohhh wow whoa gosh man boy god jeez geez gee goodness heavens lord golly
        dear dude my huh ha haha hah heh yay hooray oops ouch ew yikes phew sheesh aw aww hallelujah amen
        damn shit hell crap uhoh ooo""",
    "E": """good great nice cool interesting funny weird neat fine amazing terrible awful wonderful beautiful
        lovely awesome excellent perfect super fantastic brilliant fabulous incredible unbelievable crazy
        strange odd scary sad bad horrible hilarious fun exciting impressive fascinating marvelous marvellous
        gorgeous sweet fair reasonable sensible useful helpful handy wild insane ridiculous outrageous rough
        tough hard difficult easy tricky annoying frustrating disgusting gross nasty unfortunate lucky
        fortunate smart clever wise cute adorable delicious tasty yummy surprising shocking tragic pathetic
        disappointing depressing expensive cheap possible likely plausible important okay ideal magnificent
        splendid terrific tremendous outstanding superb remarkable refreshing rare unusual bizarre bummer
        shame pity hysterical spooky creepy tempting better best worse worst wonderfully right true sense
        something huge big handsome pleasant comfortable nifty groovy rad tight sick dope""",
    "L": """point idea thing things news job one question deal way day time shame pity luck stuff work move
        plan call choice story too enough though then""",
    "M": """very pretty quite rather extremely truly such too just kinda sorta awfully terribly somewhat
        totally always also even still all more most real""",
    "D": """that's it's that it this that'd it'd that'll it'll thats its those these they're you're he's she's
        which""",
    "V": """is was be been would will sounds sound looks look makes make seems seem must can could might are
        were feels gets isn't wasn't does did""",
    "I": "i i'm i'd i've i'll me",
    "U": """you we they he she you've you'd you'll we're we've we'll we'd they've they'd they'll
        he'd she'd y'all us them him her""",
    "K": """think guess know see bet believe agree understand hear remember mean imagine suppose hope
        love thought knew saw heard guessed figured figure wonder""",
    "Q": "what why when where who which how whose whom what's where's who's how's why's when's whats",
    "X": """do don't have has had having should shall may need want wanna gonna gotta going got get let let's
        didn't doesn't haven't hasn't won't wouldn't can't cannot couldn't shouldn't aren't weren't ain't
        am""",
    "C": "because cause and or if than though although however unless until since while whereas plus cuz",
    "B": "but actually",
    "J": "so",
    "N": "no nope nah not never none nothing uh-uh neither nor",
    "F": "uh um er erm eh well like anyway anyways basically",
    "T": """the a an of in on at for to from with into onto about by as up out down off over under after
        before my your our their his there here now then again back only maybe perhaps
        probably some any every each other another same own both""",
    "S": """stop wait hold hang pause listen quiet halt cancel enough sorry excuse hello hey please question
        repeat slow skip shush shut""",
    "Z": """zero two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty sixty
        seventy eighty ninety hundred thousand million half first second third monday tuesday wednesday
        thursday friday saturday sunday today tomorrow yesterday tonight january february march april june
        july august september october november december""",
})  # fmt: skip
"""Class letter to its words; a word that stands in several classes belongs to the first."""

_ACKNOWLEDGING = """
    uh huh | um hum | um hmm | um hm | mm hm | mm hmm | mm mm | uh hum | huh uh huh | unh hunh | m hm | m hmm
    | all right | of course | got it | got you | i got it | i got you | got that | i see | i know | i agree
    | i understand | i hear you | i hear ya | i hear that | i bet | i'll bet | i'm sure | i believe it
    | i believe you | i believe that | i think so | i think so too | i guess so | i guess | i suppose
    | i suppose so | i hope so | i do too | i know it | i know that | i know what you mean
    | i see what you mean | i see what you're saying | i know what you're saying | i understand that
    | i agree with you | i agree with that | i would agree | i'd agree | i would think so | i'd think so
    | i would imagine | i can imagine | i can see that | i can believe that | i imagine | i remember that
    | i remember | i think that's right | i think you're right | i think that's true | you're right
    | you are right | you bet | you betcha | you know | you got it | me too | me neither | same here
    | no kidding | no doubt | no wonder | makes sense | make sense | makes perfect sense
    | makes a lot of sense | makes total sense | fair enough | for sure | no question about it
    | that's it | that is it | that's all right
    | that's how it is | isn't it | isn't that | doesn't it | don't they | don't you | aren't they
    | to be sure | as well | thank you | thanks | thank goodness | thank god | thanks a lot | very well
    | very true | very much | very much so | quite so | quite right | not bad | not really surprising
    | too bad | too funny | my goodness | my god | my gosh | my word | good grief | good heavens | holy cow
    | how about that | how nice | how interesting | how funny | how neat | how cool | how awful | how sad
    | how terrible | how strange | how weird | how wonderful | what a shame | what a pity | what a deal
    | go ahead | sounds like it | looks like it | seems like it | seems so | exactly right | by all means
    | who knows | whatever | never know | tell me about it
    | you can say that again | that's for sure | that's a fact | ain't that the truth | right on
    | here here | hear hear | there you go | there we go | will do | good for you
    | good for her | good for him | good for them | more or less | kind of | sort of | bless you | my my
    | boy oh boy | oh my | uh oh | ah ha | oh ho | ha ha | okey doke | okie dokie | yes sir
    | yes ma'am | of course not | i don't blame you | can't blame you | don't blame you
    | can't argue with that | it doesn't matter | doesn't matter | that figures | it figures | figures
    | and so on | so do i | so am i | so did i | neither do i | neither did i | so i hear | so i've heard
    | so i heard | i've heard that | i heard that | i noticed that | i feel that way too | i feel the same way
"""
_RETURNED = """
    is that right | is that so | is it | is he | is she | are you | are they | do you | do they | did you
    | did they | does he | does she | does it | was it | were you | have you | has he | really now
    | you do | you did | you are | you have | it is | it does | it was | they are | they do
    | that is | that was | he does | he is | she does | she is | it sure is | it really is | it sure does
    | sure is | sure do | sure does | sure did
    | isn't it | isn't that | doesn't it | don't they | don't you | aren't they | of course | i know | i see
    | you know | i think | i guess | i bet | i agree | i remember | i imagine | i suppose | i heard that
"""
PHRASES: Mapping[tuple[str, ...], str] = MappingProxyType(
    {
        **{tuple(phrase.split()): "R" for phrase in _ACKNOWLEDGING.split("|")},
        **{tuple(phrase.split()): "P" for phrase in _RETURNED.split("|")},
        ("i", "mean"): "G", ("you", "see"): "G", ("right", "now"): "T", ("all", "of"): "T",
        ("the", "right"): "W", ("right", "there"): "T", ("right", "here"): "T", ("so", "what"): "Q",
        ("kind", "of", "a"): "M", ("sort", "of", "a"): "M", ("a", "little"): "M", ("a", "bit"): "M",
        ("a", "little", "bit"): "M", ("a", "lot"): "M", ("a", "real"): "M", ("a", "very"): "M",
        ("a", "good"): "E", ("a", "great"): "E", ("a", "nice"): "E", ("a", "pretty"): "M",
        ("a", "really"): "M",
        ("a", "shame"): "E", ("a", "pity"): "E", ("a", "bummer"): "E", ("how", "come"): "Q",
        ("hold", "on"): "S", ("hang", "on"): "S", ("never", "mind"): "S", ("no", "not"): "N",
        ("uh", "uh"): "F", ("um", "um"): "F", ("more", "yeah"): "A",
    }
)  # fmt: skip
"""Words that belong together, with the class of the whole; the longest is taken. R acknowledges as a whole,
P only where nothing but acknowledgements follows ("do you"), G asks for the floor ("I mean")."""

LONGEST_PHRASE = max(len(phrase) for phrase in PHRASES)
OPENERS: frozenset[str] = frozenset(phrase[0] for phrase in PHRASES)

HUMMED = re.compile(r"(?:m+|n+|h+)(?:h*[mn]+h*)*|hu+h+|a+h+|o+h+|u+h+m+")
"""Sounds without a spelling of their own: "mmmm", "hmmm", "ohhh"."""

WORD_CLASS: Mapping[str, str] = MappingProxyType(
    {word: letter for letter, words in reversed(list(CLASSES.items())) for word in words.split()}
)
