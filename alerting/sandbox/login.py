"""SMTP AUTH: PLAIN, LOGIN and XOAUTH2. Anybody may come in whose password is not declared dead."""

import base64
import binascii

from alerting.sandbox.smtpwire import SmtpWire
from alerting.sandbox.world import Credentials


class Login:
    """The AUTH part of one session. Remembers no password."""

    def __init__(self, credentials: Credentials, wire: SmtpWire) -> None:
        self._credentials = credentials
        self._wire = wire

    async def attempt(self, rest: str) -> str:
        """Read the credentials of an AUTH command; returns the line to answer with."""
        mechanism, _, initial = rest.partition(" ")
        try:
            match mechanism.upper():
                case "PLAIN":
                    _, user, password = (await self._ask(initial, "")).split("\0")
                case "LOGIN":
                    user = await self._ask(initial, "Username:")
                    password = await self._ask("", "Password:")
                case "XOAUTH2":
                    fields = (await self._ask(initial, "")).split("\x01")
                    user = fields[0].removeprefix("user=")
                    password = fields[1].removeprefix("auth=Bearer ")
                case _:
                    return "504 5.5.4 Mechanism not offered"
        except (ValueError, IndexError):
            return "501 5.5.2 Cannot decode that"
        if self._credentials.refuses("smtp", user, password):
            return "535 5.7.8 Authentication credentials invalid"
        return "235 2.7.0 Authentication successful"

    async def _ask(self, given: str, question: str) -> str:
        if not given or given == "=":
            await self._wire.say("334 " + base64.b64encode(question.encode()).decode())
            given = (await self._wire.line()).decode("ascii", "replace")
        try:
            return base64.b64decode(given, validate=True).decode()
        except binascii.Error as error:
            raise ValueError from error
