"""What a campus has configured, for the tests of this folder."""

from alerting.model.message import Shape, Unit

SHAPES = {
    "sms": Shape(unit=Unit.SEGMENTS, limit=1, slots=("sms", "message")),
    "x": Shape(unit=Unit.WEIGHTED, limit=280, slots=("post", "message")),
    "facebook": Shape(unit=Unit.CHARACTERS, limit=63_206, slots=("post", "message")),
    "email": Shape(unit=Unit.CHARACTERS, limit=100_000, slots=("email", "message"), subject=True, html=True),
}
HEAD = """\
---
title: Gas leak
hazard: gas leak
variables: {place: {type: place, prompt: Where it is, max_length: 24}}
---
"""
