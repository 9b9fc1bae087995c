"""What a person sees: threads of posts, phones with bubbles, letters. Newest first."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from alerting.sandbox.records import Mail, Post, Provider, Text
from alerting.sandbox.world import World

BUBBLES: Final = 6
#: Mails are parsed to be searched, 0.5 ms each; older ones are found by subject line and address only.
MAILS_READ: Final = 1000
LONGEST_HTML: Final = 200_000

#: How a status reads under a bubble.
STATUS_WORDS: Final = {
    "accepted": "Accepted",
    "scheduled": "Scheduled",
    "queued": "Queued",
    "sent": "Sent",
    "delivered": "Delivered",
    "undelivered": "Not delivered",
    "failed": "Failed",
    "canceled": "Cancelled",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """A post with what followed it, oldest first."""

    network: str
    name: str
    handle: str
    posts: tuple[Post, ...]
    mention: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Bubble:
    """One text on a phone."""

    body: str
    sender: str
    at: datetime
    status: str
    status_words: str
    error_code: int | None
    segments: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """A number and its newest texts, oldest first; `earlier` more are not shown."""

    number: str
    bubbles: tuple[Bubble, ...]
    earlier: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One mail as its reader sees it."""

    number: int
    sender: str
    recipients: tuple[str, ...]
    subject: str
    at: datetime
    text: str
    html: str
    headers: tuple[tuple[str, str], ...]
    cut: bool


def threads(world: World, wanted: str = "") -> Iterator[Thread]:
    """Threads by their latest post; `wanted` is looked for in texts, names and handles."""
    shown: set[str] = set()
    for post_id in reversed(world.posts):
        root = _root(world, world.posts[post_id])
        if root.id in shown:
            continue
        shown.add(root.id)
        thread = _thread(world, root)
        words = (post.text for post in thread.posts)
        if _found(wanted, (thread.name, thread.handle, *words)):
            yield thread


def phones(world: World, wanted: str = "") -> Iterator[Phone]:
    """Phones by their latest text; `wanted` is looked for in numbers and texts."""
    shown: set[str] = set()
    for sid in reversed(world.texts):
        number = world.texts[sid].to
        if number in shown:
            continue
        shown.add(number)
        sids = world.phones[number]
        if not wanted or _found(wanted, (number, *(world.texts[entry].body for entry in sids))):
            yield _phone(world, number, sids)


def letters(world: World, wanted: str = "") -> Iterator[Letter]:
    """Mails, newest first; `wanted` is looked for in addresses, subjects and texts."""
    newest = len(world.mails)
    for mail in reversed(world.mails):
        read = newest - mail.number <= MAILS_READ
        if not wanted or _found(wanted, _searched(mail, read=read)):
            yield _letter(mail)


def _searched(mail: Mail, *, read: bool) -> Iterator[str]:
    yield from (mail.sender, *mail.recipients)
    if read:
        yield from (mail.subject, mail.text, mail.html)
    else:
        yield mail.raw[:2000].partition(b"\r\n\r\n")[0].decode("utf-8", "replace")


def _found(wanted: str, places: Iterable[str]) -> bool:
    return not wanted or any(wanted in place.casefold() for place in places)


def _root(world: World, post: Post) -> Post:
    while post.parent and post.parent in world.posts:
        post = world.posts[post.parent]
    return post


def _thread(world: World, root: Post) -> Thread:
    posts, waiting = [root], list(world.children.get(root.id, ()))
    while waiting:
        post_id = waiting.pop()
        posts.append(world.posts[post_id])
        waiting += world.children.get(post_id, ())
    posts.sort(key=lambda post: post.created_at)
    account = world.accounts.get((root.provider, root.account))
    on_x = root.provider is Provider.X
    handle = f"@{account.username}" if account and on_x else f"Page {root.account}"
    name = account.name if account else root.account
    if root.author:
        name, handle = f"Account {root.author}", f"to {handle}"
    return Thread(
        network="X" if on_x else "Facebook",
        name=name,
        handle=handle,
        posts=tuple(posts),
        mention=root.author is not None,
    )


def _phone(world: World, number: str, sids: list[str]) -> Phone:
    now = world.now()
    newest = [world.texts[sid] for sid in sids[-BUBBLES:]]
    return Phone(
        number=number,
        bubbles=tuple(_bubble(text, now) for text in newest),
        earlier=len(sids) - len(newest),
    )


def _bubble(text: Text, now: float) -> Bubble:
    status = text.status(now)
    return Bubble(
        body=text.body,
        sender=text.sender,
        at=text.created_at,
        status=status,
        status_words=STATUS_WORDS.get(status, status),
        error_code=text.settled_error(now),
        segments=text.segments,
    )


def _letter(mail: Mail) -> Letter:
    return Letter(
        number=mail.number,
        sender=str(mail.message.get("From", mail.sender)),
        recipients=mail.recipients,
        subject=mail.subject or "(no subject)",
        at=mail.received_at.astimezone(UTC),
        text=mail.text,
        html=mail.html[:LONGEST_HTML],
        headers=tuple(mail.headers),
        cut=len(mail.html) > LONGEST_HTML,
    )
