"""The first text of a new template, for a person to fill in."""

from __future__ import annotations

from alerting.errors import Problem, TemplateProblem
from alerting.rendering.parse import is_name


def starter(name: str) -> str:
    """Return a template with every part explained; what is in square brackets is still to be decided.

    It reads without mistakes, and ``check`` names each bracket until it is filled in.

    Raises:
        TemplateProblem: the name cannot be a file of the template folder.
    """
    if not is_name(name):
        fix = "write small letters, digits and hyphens, as in gas-leak"
        raise TemplateProblem(Problem(where=ascii(name), what="not a template name", fix=fix))
    return _STARTER.replace("NAME", name.replace("-", " ").capitalize())


_STARTER = """\
---
title: NAME
class: standard            # immediate: one person sends it; standard: a second may have to approve
category: safety           # geo met safety security rescue fire health env transport infra cbrne other
severity: moderate         # extreme severe moderate minor
urgency: immediate         # immediate expected future past
certainty: likely          # observed likely possible unlikely
response_type: avoid       # shelter evacuate prepare avoid monitor all_clear none
hazard: NAME
lifetime: 2h               # after this long the text is not true any more
variables:
  place:
    type: place
    prompt: Where, in words everybody on campus knows
    max_length: 24
---
{% block sms %}
{{ source }} {{ number }} {{ time }}: NAME at {{ place }}. [what it can do to people] [what to do now]
{% if next_update %}Next {{ next_update }}{% endif %} {{ link }}
{% endblock %}

{% block email %}
{{ source }}, {{ time }} {{ number }}

NAME at {{ place }}.

What to do:
- [first action]
- [second action]

{% if next_update %}
You hear from us again by {{ next_update }}.
{% endif %}
News: {{ link }}
{% endblock %}
"""
