"""The least that a first post takes with the libraries it needs, all of ours left out.

``python -m benchmarks.least SETTINGS.JSON`` renders one block with Jinja2's sandbox, writes the words and
the list of people durably with SQLite, and posts with tweepy beside an event loop. It checks nothing, asks
nobody, would not try again, and leaves nothing to go on with: no target, but a measure.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sqlite3
import sys
from pathlib import Path
from typing import Any

from jinja2.sandbox import ImmutableSandboxedEnvironment


def main() -> None:
    gc.set_threshold(100_000)
    told = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    source = Path(told["template"]).read_text(encoding="utf-8")
    block = source.partition("{% block post %}")[2].partition("{% endblock %}")[0]
    words = ImmutableSandboxedEnvironment().from_string(block).render(told["values"])
    asyncio.run(_send(told, words.strip()))


async def _send(told: dict[str, Any], words: str) -> None:
    _keep(told, words)
    await asyncio.to_thread(_post, told["url"], words)


def _keep(told: dict[str, Any], words: str) -> None:
    db = sqlite3.connect(told["ledger"])
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE alert (words TEXT, people BLOB)")
    db.execute("INSERT INTO alert VALUES (?, ?)", (words, Path(told["people"]).read_bytes()))
    db.commit()


def _post(url: str, words: str) -> None:
    import tweepy

    client = tweepy.Client(consumer_key="k", consumer_secret="s", access_token="t", access_token_secret="s")
    # The SDK has no setting for another host than X's own.
    whole = client.session.request
    client.session.request = lambda method, _, **how: whole(method, f"{url}/2/tweets", **how)
    client.create_tweet(text=words)


if __name__ == "__main__":
    main()
