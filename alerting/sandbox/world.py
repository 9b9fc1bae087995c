"""The state behind the wire: what every reader would see, and every request that was made."""

import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from alerting.sandbox.records import CANCELABLE, Mail, Post, Provider, Seen, Step, Text

#: X ids carry their time: milliseconds since this instant, shifted by 22 bits.
SNOWFLAKE_EPOCH_MS: Final = 1_288_834_974_657
SHOWN_CHARACTERS: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An X account or a Facebook page."""

    provider: Provider
    id: str
    username: str
    name: str
    created_at: datetime


@dataclass(slots=True)
class Credentials:
    """Which tokens are dead, by provider; `*` means all of them. Never shown."""

    dead: dict[str, set[str]] = field(default_factory=dict)

    def kill(self, provider: str, tokens: Iterable[str]) -> None:
        """Let these tokens be refused from now on."""
        self.dead.setdefault(provider, set()).update(tokens)

    def revive(self, provider: str) -> None:
        """Let every token of a provider work again."""
        self.dead.pop(provider, None)

    def refuses(self, provider: str, *tokens: str) -> bool:
        """Whether one of these tokens is dead."""
        dead = self.dead.get(provider)
        return dead is not None and ("*" in dead or not dead.isdisjoint(tokens))


class World:
    """Posts by account, texts by phone, mails by mailbox, and the requests that made them.

    Everything is found by key; no request looks through what others left behind.
    """

    def __init__(self, *, seed: int = 0, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self.seed = seed
        self.credentials = Credentials()
        self.reset()

    def reset(self) -> None:
        """Forget everything that happened; dead tokens stay dead."""
        self._rng = random.Random(self.seed)  # noqa: S311  # ids, not secrets
        self._sequence = 0
        self.accounts: dict[tuple[str, str], Account] = {}
        self.usernames: dict[str, str] = {}
        self.posts: dict[str, Post] = {}
        self.timelines: dict[tuple[str, str], list[str]] = defaultdict(list)
        self.children: dict[str, list[str]] = defaultdict(list)
        self.mentions: dict[str, list[str]] = defaultdict(list)
        self.spoken: dict[tuple[str, str], str] = {}
        self.texts: dict[str, Text] = {}
        self.phones: dict[str, list[str]] = {}
        self.opted_out: set[str] = set()
        self.mails: list[Mail] = []
        self.mailboxes: dict[str, list[int]] = {}
        self.requests: list[Seen] = []
        self.counts: Counter[str] = Counter()
        #: Requests by account, operation and window, for rate limits.
        self.used: Counter[tuple[str, str, int]] = Counter()

    def instant(self) -> datetime:
        """The present, aware, in UTC."""
        return datetime.fromtimestamp(self.now(), UTC)

    # -- ids

    def next_id(self) -> str:
        """A number that rises with time and is never given twice."""
        milliseconds = int(self.now() * 1000) - SNOWFLAKE_EPOCH_MS
        self._sequence = max(self._sequence + 1, milliseconds << 22)
        return str(self._sequence)

    def next_hex(self) -> str:
        """32 hexadecimal digits from the seed."""
        return f"{self._rng.getrandbits(128):032x}"

    # -- posts

    def declare(self, provider: Provider, account: str, *, username: str = "", name: str = "") -> Account:
        """Make an account known, or give a known one its name."""
        known = self.accounts.get((provider, account))
        if known and not (username or name):
            return known
        if not username:
            taken = sum(key[0] == provider for key in self.accounts)
            username = known.username if known else f"campus{taken + 1 if taken else ''}"
        entry = Account(
            provider=provider,
            id=account,
            username=username,
            name=name or (known.name if known else f"Sandbox {username}"),
            created_at=known.created_at if known else self.instant(),
        )
        self.accounts[provider, account] = entry
        if provider is Provider.X:
            self.usernames[username.lower()] = account
        return entry

    def publish(
        self,
        provider: Provider,
        account: str,
        text: str,
        *,
        parent: str | None = None,
        post_id: str | None = None,
    ) -> Post:
        """Keep a post, a reply (X: it is on the timeline too) or a comment."""
        self.declare(provider, account)
        post = Post(
            id=post_id or self.next_id(),
            provider=provider,
            account=account,
            text=text,
            created_at=self.instant(),
            parent=parent,
        )
        self.posts[post.id] = post
        if parent:
            self.children[parent].append(post.id)
        if provider is Provider.X or not parent:
            self.timelines[provider, account].append(post.id)
        if provider is Provider.X:
            self.spoken[account, text] = post.id
        self.counts["posts"] += 1
        return post

    def mention(self, account: str, text: str, author: str) -> Post:
        """Let somebody else mention an X account."""
        post = Post(
            id=self.next_id(),
            provider=Provider.X,
            account=account,
            text=text,
            created_at=self.instant(),
            author=author,
        )
        self.mentions[account].append(post.id)
        self.posts[post.id] = post
        return post

    def edit(self, post: Post, text: str) -> Post:
        """Change a post's words."""
        changed = replace(post, text=text, edited_at=self.instant())
        self.posts[post.id] = changed
        return changed

    def withdraw(self, post: Post) -> None:
        """Delete a post for its readers; the sandbox still remembers it."""
        self.posts[post.id] = replace(post, deleted_at=self.instant())
        if self.spoken.get((post.account, post.text)) == post.id:
            del self.spoken[post.account, post.text]
        self.counts["deleted"] += 1

    def timeline(self, provider: Provider, account: str) -> Iterable[Post]:
        """The account's living posts, newest first."""
        for post_id in reversed(self.timelines.get((provider, account), [])):
            post = self.posts[post_id]
            if post.deleted_at is None:
                yield post

    def last_words(self, provider: Provider, account: str) -> str | None:
        """What the account said last, if it still stands."""
        return next((post.text for post in self.timeline(provider, account)), None)

    # -- texts

    def keep_text(self, text: Text) -> None:
        """Put a text on a phone."""
        self.texts[text.sid] = text
        self.phones.setdefault(text.to, []).append(text.sid)
        self.counts["texts"] += 1
        self.counts["segments"] += text.segments

    def cancel_text(self, text: Text) -> Text | None:
        """Withdraw a text that has not left yet; None if it is too late."""
        now = self.now()
        if text.status(now) not in CANCELABLE:
            return None
        gone = replace(text, steps=(text.steps[0], Step(now, "canceled")))
        self.texts[text.sid] = gone
        self.counts["canceled"] += 1
        return gone

    # -- mails

    def keep_mail(
        self, sender: str, recipients: tuple[str, ...], raw: bytes, options: tuple[str, ...] = ()
    ) -> Mail:
        """Put a message into each recipient's mailbox."""
        mail = Mail(
            number=len(self.mails),
            sender=sender,
            recipients=recipients,
            raw=raw,
            received_at=self.instant(),
            options=options,
        )
        self.mails.append(mail)
        for recipient in recipients:
            self.mailboxes.setdefault(recipient.lower(), []).append(mail.number)
        self.counts["mails"] += 1
        self.counts["mail_recipients"] += len(recipients)
        return mail

    # -- requests

    def saw(
        self,
        provider: str,
        operation: str,
        *,
        to: str = "",
        text: str = "",
        status: int | None,
        fault: str | None = None,
    ) -> None:
        """Remember a request and how it was answered; `status` None: not at all."""
        self.requests.append(
            Seen(
                provider,
                operation,
                self.now(),
                time.monotonic(),
                to,
                text[:SHOWN_CHARACTERS],
                status,
                fault,
            )
        )
        self.counts[f"requests.{provider}"] += 1
        if fault:
            self.counts["faults"] += 1
