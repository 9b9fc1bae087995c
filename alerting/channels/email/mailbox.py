"""The mailbox bounces come to, over IMAP. Blocking: it is read in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from imaplib import IMAP4

    from alerting.channels.email.config import BounceBox

_WITHIN_S: Final = 20.0
#: Mails read in one visit; the next one goes on.
_MOST: Final = 200
#: Bytes of a mail: a report may bring the whole message back.
LARGEST_MAIL: Final = 1_000_000


def collect(box: BounceBox, take: Callable[[bytes], None]) -> int:
    """Give every unseen mail of the mailbox to ``take``, then mark it as seen; return how many.

    Raises:
        OSError: the mailbox cannot be reached or does not let us in.
    """
    import imaplib

    try:
        client = _connect(box)
        try:
            client.login(box.username, box.password.reveal())
            return _visit(client, box.folder, take)
        finally:
            client.shutdown()
    except imaplib.IMAP4.error as error:
        words = str(error).replace(box.password.reveal(), "***")
        raise OSError(f"{box.host}: {words[:200]}") from None


def _connect(box: BounceBox) -> IMAP4:
    import imaplib
    import os

    from alerting.channels.email.dial import trust

    if box.tls == "none":
        return imaplib.IMAP4(box.host, box.port, timeout=_WITHIN_S)
    context = trust(os.environ)
    return imaplib.IMAP4_SSL(box.host, box.port, ssl_context=context, timeout=_WITHIN_S)


def _visit(client: IMAP4, folder: str, take: Callable[[bytes], None]) -> int:
    status, _ = client.select(f'"{folder}"')
    if status != "OK":
        raise OSError(f"there is no folder {folder}")
    _, found = client.uid("SEARCH", "UNSEEN")
    names = (found[0] or b"").split()[:_MOST]
    for name in names:
        _, parts = client.uid("FETCH", name.decode(), f"(BODY.PEEK[]<0.{LARGEST_MAIL}>)")
        take(b"".join(part[1] for part in parts if isinstance(part, tuple)))
        client.uid("STORE", name.decode(), "+FLAGS", r"(\Seen)")
    return len(names)
