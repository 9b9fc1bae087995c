"""What X takes for a link in running text, with or without ``https://``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from alerting.named import NamedTuple

#: Every two-letter top-level domain. Source: IANA root zone, read 2026-10.
_COUNTRY_WORDS: Final = """
ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bv bw by bz
ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm
fo fr ga gb gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is
it je jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm
mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr
ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si sj sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg
th tj tk tl tm tn to tr tt tv tw tz ua ug uk us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw
"""
COUNTRY: Final = frozenset(_COUNTRY_WORDS.split())

#: The longer ones a campus, a town or a news site is likely to have, and English words that may follow
#: a full stop without a space. Not all 1,000 of them: see ``weighted`` for what that means.
_COMMON_WORDS: Final = """
academy aero agency app arpa art asia bank bar best bike bio biz blog build business buzz cafe call cam camp
care cash cat center chat church city clinic cloud club codes college com community company contact cool
coop data day dental dev digital direct directory doctor dog domains earth eat edu education email energy
engineering events exchange expert express family fan farm film finance fire fish fit fly foo food football
forum foundation free fun fund fyi game games garden gives global gold gop got gov green group guide health
healthcare help here homes hospital host hot house how inc info ink institute insurance int international
jobs kids kim land law lawyer legal life lighting like limited link live loan lol love ltd man map market
med media meet men menu mil mint mobi moe moi mom money mov movie museum music name navy network new news
next ngo nhk ninja now observer one ong onl online ooo open org page parts party pay pet phone photo photos
physio pics pink pizza place plus poker post press prime pro productions prof property pub radio read red
rehab rent rentals repair report rest review reviews rip rocks room run safe safety sale save school science
scot search secure security select services sex shoes shop show site ski sky soccer social software solar
solutions space sport spot store stream studio study style supplies supply support surgery systems talk tax
taxi team tech technology tel theater tickets tips today tools top tours town toys trade training travel
trust tube university uno vacations vet video vip vision vote voting wang watch weather web website wiki win
wine work works world wow wtf xxx xyz yoga you zero zip zone
"""
COMMON: Final = frozenset(_COMMON_WORDS.split())

_KNOWN: Final = COUNTRY | COMMON

_LABEL: Final = r"[^\W_](?:[\w-]*[^\W_])?"
_PLAIN: Final = r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?"
_PATH: Final = "[A-Za-z0-9\u00c0-\u024f\u0400-\u04ff!*';:=+,.$/%#\\[\\]()\\-\u2013_~@|&]"
_LINK: Final = (
    # X refuses a link glued to a letter, digit, @, $ or #, and a bare one after - _ . or /
    "(?<![A-Za-z0-9@\uff20$#\uff03\u202a-\u202e\ufeff])"
    rf"(?:(?P<scheme>(?i:https?)://)(?P<host>{_LABEL}(?:\.{_LABEL})+)"
    rf"|(?<![-_./])(?P<bare>{_PLAIN}(?:\.{_PLAIN})+))(?![A-Za-z0-9@])"
    rf"(?P<port>:[0-9]+)?(?P<path>/{_PATH}*)?(?P<query>\?[A-Za-z0-9!?*'();:&=+$/%#\[\]\-_.,~|@]*)?"
)
#: Full stops and the like end the sentence, not the link.
_SENTENCE_ENDS: Final = ".,;:!?'*$%[(~|&@\u2013"


class Link(NamedTuple):
    """Where a link is in a text; ``known`` when X surely takes it for one."""

    start: int
    end: int
    known: bool


def links(text: str) -> Iterator[Link]:
    """Yield the links of a text in order.

    A bare word counts only when its top-level domain is known. One that says ``https://``, or has a
    path, is yielded as not known.
    """
    # A full stop inside a word is rare, and what looks for links takes a millisecond to compile.
    if not any("." in word.strip(".") for word in text.split()):
        return
    for match in re.finditer(_LINK, text):
        link = _judge(match)
        if link is not None:
            yield link


def _judge(match: re.Match[str]) -> Link | None:
    """Decide whether a candidate is a link, and where it ends."""
    host = match["host"] or match["bare"]
    known = _known_host(host)
    if known and known != host:
        begin = match.start("host" if match["host"] else "bare")
        return Link(match.start(), begin + len(known), known=True)
    if known or match["scheme"] or match["path"]:
        return Link(match.start(), match.start() + len(_tidy(match[0])), known=bool(known))
    return None


def _known_host(host: str) -> str:
    """Return the longest start of a host that ends in a known top-level domain, else nothing."""
    labels = host.split(".")
    for count in range(len(labels), 1, -1):
        if labels[count - 1].lower() in _KNOWN:
            return ".".join(labels[:count])
    return ""


def _tidy(link: str) -> str:
    """Return a link without the punctuation of the sentence around it."""
    while link and (link[-1] in _SENTENCE_ENDS or _closes_too_much(link)):
        link = link[:-1]
    return link


def _closes_too_much(link: str) -> bool:
    return (link[-1] == ")" and link.count(")") > link.count("(")) or (
        link[-1] == "]" and link.count("]") > link.count("[")
    )
