"""A Twilio account as the SDK sees it, built when it is first needed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from alerting.channels.sms.outcomes import code_in, refusal, refused, unanswered
from alerting.channels.sms.prepared import ANY_KEY, PreparedRequest
from alerting.channels.sms.transport import Transport
from alerting.channels.web_answer import Answer, Refusal
from alerting.model.outcome import Reason, Unknown

if TYPE_CHECKING:
    from twilio.rest import Client

    from alerting.channels.sms.client import Capture
    from alerting.channels.sms.config import TwilioConfig

Answered = TypeVar("Answered")
_NOT_FOUND: Final = 404


class Failed:
    """A question that got no answer, or another one than was asked for."""

    def __init__(self, outcome: Refusal, *, status: int = 0) -> None:
        self.outcome = outcome
        self.missing = status == _NOT_FOUND

    @property
    def words(self) -> str:
        """What happened, for people: the reason, and Twilio's own words."""
        reason, detail = self.outcome.reason, self.outcome.detail
        return f"{reason.words} ({detail})" if detail else reason.words


class Account:
    """Asks Twilio through its SDK, and lets the SDK prepare what is sent often.

    ``callback_url`` is where receipts go, empty for none; ``base_url`` stands in for Twilio's hosts.
    """

    def __init__(
        self, config: TwilioConfig, transport: Transport, *, base_url: str = "", callback_url: str = ""
    ) -> None:
        self.config = config
        self.base_url = base_url
        self._transport = transport
        self._callback_url = callback_url
        self._built: tuple[Client, Client, Capture] | None = None
        self._building: asyncio.Task[tuple[Client, Client, Capture]] | None = None

    async def ask(self, question: Callable[[Any], Awaitable[Answered]]) -> Answered | Failed:
        """Put one question to the SDK's client, which is given to ``question``.

        Never raises for what the network or Twilio does.
        """
        from twilio.base.exceptions import TwilioException

        from alerting.channels.sms.client import Unanswered

        asking, _, _ = await self._clients()
        try:
            return await question(asking)
        except Unanswered as wrong:
            return Failed(unanswered(wrong.silence))
        except TwilioException as wrong:
            return _refused(wrong)
        except Exception as wrong:  # noqa: BLE001  # the SDK reads any JSON as if it were right
            return _unreadable(wrong)

    async def prepare(self, text: str) -> PreparedRequest:
        """Let the SDK build the request for a text, and keep it."""
        _, preparing, capture = await self._clients()
        config = self.config
        fields: dict[str, object] = {"risk_check": config.risk_check, "validity_period": 1}
        if config.sender is not None:
            fields["from_"] = config.sender
        else:
            fields["messaging_service_sid"] = config.messaging_service
        if self._callback_url:
            fields["status_callback"] = f"{self._callback_url}?d={ANY_KEY}"
        await preparing.messages.create_async(to="+0", body=text, **fields)
        return PreparedRequest.of(capture.target, capture.data)

    async def _clients(self) -> tuple[Client, Client, Capture]:
        if self._built is None:
            # The imports take 0.1 s and more; meanwhile the loop serves the other channels, and all
            # who come meanwhile wait for the same clients.
            loop, building = asyncio.get_running_loop(), self._building
            if building is None or building.get_loop() is not loop:
                building = self._building = loop.create_task(asyncio.to_thread(self._build))
            self._built = await asyncio.shield(building)
        return self._built

    async def ready(self) -> None:
        """Have the SDK imported and its clients built."""
        await self._clients()

    def _build(self) -> tuple[Client, Client, Capture]:
        from alerting.channels.sms.client import Bridge, Capture, sdk

        capture = Capture(self.base_url)
        asking = sdk(self.config, Bridge(self._transport, self.base_url))
        preparing = sdk(self.config, capture)
        _ = preparing.messages  # the SDK imports its resources when they are first touched
        return asking, preparing, capture


def _refused(wrong: Exception) -> Failed:
    """Read the SDK's errors.

    There are three: the older kind has ``msg``, that of RFC 9457 ``title``, and that of a list only the
    response as its second argument.
    """
    if response := next((a for a in wrong.args if hasattr(a, "status_code")), None):
        answer = Answer(status=response.status_code, headers={}, body=str(response.text).encode())
        return Failed(refusal(answer), status=answer.status)
    status = getattr(wrong, "status", 0)
    if not status:
        return _unreadable(wrong)
    words = getattr(wrong, "msg", "") or getattr(wrong, "detail", "") or getattr(wrong, "title", "")
    return Failed(refused(status, code_in(getattr(wrong, "code", 0)), str(words)), status=status)


def _unreadable(wrong: Exception) -> Failed:
    return Failed(Unknown(Reason.UNREADABLE, f"the SDK could not read it: {type(wrong).__name__}"))
