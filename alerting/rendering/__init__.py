"""From a template file to the text each channel sends.

::

    store ──▶ Template ──render──▶ Message ──fit──▶ Content
                  └──check──▶ Findings

Import each noun from its own room: ``from alerting.rendering.render import render``.
"""
