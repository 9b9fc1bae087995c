"""Our whole path as one process: configuration, list, plan, durable ledger, the vendor's SDK, sockets.

``python -m benchmarks.ours CHANNELS.YAML`` sends one alert to whom that file names, and ends.
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path


def main() -> None:
    gc.set_threshold(100_000)  # as the command line does
    from alerting.app import App
    from alerting.clock import SystemClock
    from alerting.ledger.rows import Actor
    from alerting.runner import Order, Runner
    from alerting.service.planning import Request

    app = App(Path(sys.argv[1]), clock=SystemClock(), environ=os.environ)
    request = Request(template="gas-leak", values={"place": "Baker Hall"})
    plan = app.plan(request, as_of=app.clock.now())
    order = Order(
        request=request,
        as_of=plan.as_of,
        digest=plan.digest,
        actor=Actor(name="bench"),
        run_key=os.urandom(8).hex(),
    )
    # What follows a settled alert (seals, the feed) is not part of sending it.
    app.afterwards = lambda _writer, **_: None  # type: ignore[method-assign]
    gc.freeze()  # as a sender does before it begins
    Runner(app=app, state=app.state, clock=app.clock).run(order, plan=plan)
    gc.freeze()  # as the command line does, too


if __name__ == "__main__":
    main()
