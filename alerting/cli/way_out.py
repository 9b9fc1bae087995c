"""What still works when the credentials of some channels are not here: said beside the error.

One lost token must not silence the others at the worst moment, and nobody should have to find out by
themselves which channels are left.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from alerting.errors import ConfigProblem, Problem

if TYPE_CHECKING:
    from alerting.cli.face import Face


def way_out(face: Face) -> Iterator[Problem]:
    """Yield how to send by the channels that are complete, or how to rehearse where none is.

    Nothing when the file itself is wrong.
    """
    from alerting.cli.unplugged import config_of
    from alerting.config import load

    try:
        names = [channel.name for channel in config_of(face).channels if channel.name not in face.without]
    except ConfigProblem:
        return
    lost = []
    for name in names:
        others = (*(other for other in names if other != name), *face.without)
        try:
            load(face.config, environ=os.environ, without=others)
        except ConfigProblem:
            lost.append(name)
    if len(lost) == len(names):
        fix = "to look at texts, or to rehearse, without any account: alert --sandbox ..."
        yield Problem(where="", what="no channel has its credentials here", fix=fix)
    else:
        left = ", ".join(name for name in names if name not in lost)
        without = ",".join([*face.without, *lost])
        yield Problem(where="", what=f"{left} could send now", fix=f"to send by these: --without {without}")
