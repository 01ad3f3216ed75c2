"""What English words do in a short reply: the class of each word; phrases are next door. Pure.

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
    "H": """mm mmm mhm mhmm hm hmm hmmm mmhm mmhmm hum uhhuh umhum mhh nhn ehm mmkay unhunh umhmm uhhum mkay
        mmk mmmkay""",
    "A": """aye yeah yes yep yup yea ya yah yeh yessir ok okay okey okie kay right righto alright alrighty
        sure exactly absolutely definitely totally certainly precisely indeed true correct gotcha agreed
        understood surely roger noted obviously clearly naturally evidently bingo touche""",
    "Y": "really",
    "O": """oh ah aha ahh ooh ohh ohhh wow whoa gosh man boy god jeez geez gee goodness heavens lord golly
        dear dude huh ha haha hah heh yay hooray oops ouch ew yikes phew sheesh aw aww hallelujah amen
        damn shit hell crap uhoh ooo whew mercy woo bravo cheers congrats congratulations wowee gracious
        alas shoot darn dang heck rats jeepers goody shucks yowza ick yuck yucky ugh eek ack agh argh
        aargh oof oi uff urgh gah cor crikey blimey crumbs cripes strewth lordy lawd bah boo duh doh
        d'oh eww egad fiddlesticks gadzooks gulp jesus christ meh ow owie pfft phooey poof pshaw tsk tut
        whee whoops whoopsie wowza wowzers yahoo yippee yowch yum zoinks zowie nuts drat bummer dag
        dagnabbit doggone damnit dammit bloody sakes mate girl bro lol hee heehee hehe huzzah hurrah
        hurray brr brrr oho ooof gadz bless wahey sheez jeesh jeeze gawd omg""",
    "E": """good great nice cool interesting funny weird neat fine amazing terrible awful wonderful beautiful
        lovely awesome excellent perfect super fantastic brilliant fabulous incredible unbelievable crazy
        strange odd scary sad bad horrible hilarious fun exciting impressive fascinating marvelous marvellous
        gorgeous sweet fair reasonable sensible useful helpful handy wild insane ridiculous outrageous rough
        tough hard difficult easy tricky annoying frustrating disgusting gross nasty unfortunate lucky
        fortunate smart clever wise cute adorable delicious tasty yummy surprising shocking tragic pathetic
        disappointing depressing expensive cheap kind brave generous thoughtful considerate classic
        ironic typical embarrassing exhausting inspiring touching relaxing painful dreadful ghastly lame weak
        decent solid
        sharp slick elegant genius legendary wicked priceless heartbreaking upsetting worrying promising
        encouraging convenient inconvenient understandable logical obvious comforting satisfying rewarding
        possible likely plausible important okay ideal magnificent
        splendid terrific tremendous outstanding superb remarkable refreshing rare unusual bizarre bummer
        shame pity hysterical spooky creepy tempting better best worse worst wonderfully right true sense
        huge big handsome pleasant comfortable nifty groovy rad tight sick dope""",
    "L": """point idea thing things news job one question deal way day time shame pity luck stuff work move
        plan call choice story enough relief news advice thinking attitude spirit combination
        system program size area place town show movie experience opportunity approach solution suggestion
        start sign memory age cause trip bargain price sport hobby nightmare mess disaster blessing gift
        surprise coincidence challenge improvement feeling exercise kid family person guy man job life""",
    "M": """very pretty quite rather extremely truly such just kinda sorta awfully terribly somewhat
        totally always also even still all more most real""",
    "D": """that's it's that it this that'd it'd that'll it'll thats its those these they're you're he's she's
        which""",
    "V": """is was be been would will sounds sound looks look makes make seems seem must can could might are
        were feels gets does did""",
    "I": "i i'm i'd i've i'll me",
    "U": """you we they he she you've you'd you'll we're we've we'll we'd they've they'd they'll
        he'd she'd y'all us them him her""",
    "K": """think guess know see bet believe agree understand hear remember mean imagine suppose hope
        love thought knew saw heard guessed figured figure wonder""",
    "Q": "what why when where who which how whose whom what's where's who's how's why's when's whats",
    "X": """do have has had having should shall may need want wanna gonna gotta going got get let let's am""",
    "n": """don't didn't doesn't haven't hasn't won't wouldn't can't cannot couldn't shouldn't aren't weren't
        ain't isn't wasn't""",
    "o": "too though then",
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

HUMMED = re.compile(r"(?:m+|n+|h+)(?:h*[mn]+h*)*|hu+h+|a+h+|o+h+|u+h+m+")
"""Sounds without a spelling of their own: "mmmm", "hmmm", "ohhh"."""

WORD_CLASS: Mapping[str, str] = MappingProxyType(
    {word: letter for letter, words in reversed(list(CLASSES.items())) for word in words.split()}
)
