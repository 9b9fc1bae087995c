"""Telephone numbers and mailboxes, as people write them, brought to one normal form.

Lists are checked while an alert waits, so the common forms are read with one expression each; the
libraries that know the rest of the world are loaded only when something else turns up.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from alerting.audience.nanp import AREAS
from alerting.model.audience import Address, AddressKind


class Flaw(Enum):
    """Why a text is not an address: a code, words for people, and what to do about it."""

    EMPTY = ("empty", "nothing there", "give a number or a mailbox")
    LINE_BREAK = ("line_break", "holds a line break", "keep one address in a cell, on one line")
    INVISIBLE = ("invisible", "holds an invisible character", "type it again by hand")
    SEVERAL = ("several", "more than one address", "keep one address in a cell")

    SPREADSHEET = (
        "spreadsheet",
        "rounded by a spreadsheet",
        "format the column as text and export it again",
    )
    LETTERS = ("letters", "not a telephone number", "write digits only, like 413-555-0100")
    EXTENSION = ("extension", "an extension cannot receive texts", "give the person's own mobile number")
    TOO_SHORT = ("too_short", "too few digits", "add the area code, or plus and country code")
    TOO_LONG = ("too_long", "too many digits", "compare it with the person's record")
    COUNTRY = ("country", "no such country code", "write plus and country code, like +14135550100")
    UNASSIGNED = ("unassigned", "not a number anyone can have", "compare it with the person's record")

    NO_AT = ("no_at", "no @ in it", "write it like ann@example.edu")
    DISPLAY_NAME = ("display_name", "a name around the address", "keep only what stands between < and >")
    MAILBOX = ("mailbox", "not a mailbox", "write it like ann@example.edu")
    NOT_ASCII = ("not_ascii", "letters before the @ that most mail servers refuse", "ask for another mailbox")
    MAIL_TOO_LONG = ("mail_too_long", "too long for a mailbox", "compare it with the person's record")

    def __init__(self, code: str, words: str, fix: str) -> None:
        self.code = code
        self.words = words
        self.fix = fix


class Malformed(ValueError):
    """A text that is not an address; says why, never repeats the text."""

    def __init__(self, why: Flaw) -> None:
        self.why = why
        super().__init__(why.words)

    @property
    def fix(self) -> str:
        """What to do about it."""
        return self.why.fix


#: The ways people in North America write a number. Anything else goes to phonenumbers.
_NANP: Final = re.compile(
    r"[ \t\u00a0]*(\+?1[ .\u00a0-]?)?"
    r"\(?([2-9][0-9]{2})\)?[ .\u00a0-]?([2-9][0-9]{2})[ .\u00a0-]?([0-9]{4})[ \t\u00a0]*"
)
#: Regions whose own numbers may be written without a country code in the form above.
_NANP_HOME: Final = frozenset({"US", "CA"})
_BREAK: Final = "[\n\r\x0b\x0c\x85\u2028\u2029]"
#: Control characters, marks of direction and zero-width characters.
_CONTROL: Final = "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
_BLANK: Final = " \t\u00a0"

#: What a text shows before any library is asked: the first pattern found names the flaw.
_TRAPS: Final = (
    (re.compile(r"\A\Z"), Flaw.EMPTY),
    (re.compile(_BREAK), Flaw.LINE_BREAK),
    (re.compile(_CONTROL), Flaw.INVISIBLE),
)
_PHONE_TRAPS: Final = (
    *_TRAPS,
    # 4.13555E+09 or 4135550100.0: a number cell that was never meant to be one.
    (re.compile(r"(?i)\A(?:\+?[0-9]+(?:[.,][0-9]+)?E\+?[0-9]+|[0-9]{7,}\.0+)\Z"), Flaw.SPREADSHEET),
    (re.compile(r"(?i)[0-9]\s*(?:;?\s*ext(?:n|ension)?[. :=]*|x|#)\s*[0-9]{1,7}\Z"), Flaw.EXTENSION),
    (re.compile(r"(?i)(?:[0-9][ ().-]*){7}(?:[,;&|/]|or|and) *(?:[+(]*[0-9][ ().-]*){7}"), Flaw.SEVERAL),
    # Digits, and what may stand between them, with the dashes and spaces of Unicode.
    (re.compile(r"[^0-9 ()+./\u00a0\u2000-\u200a\u2010-\u2015\u2212\u202f\u3000-]"), Flaw.LETTERS),
)
_EMAIL_TRAPS: Final = (
    *_TRAPS,
    (re.compile(r"(?i)[<>]|\Amailto:"), Flaw.DISPLAY_NAME),
    (re.compile(r"\A[^@]*\Z"), Flaw.NO_AT),
    (re.compile(r"@[^@]*[,;\s/|][^@]*@"), Flaw.SEVERAL),
)

#: RFC 5322 section 3.2.3 before the @, RFC 1123 section 2.1 after it; the top level ends with a letter.
_MAILBOX: Final = re.compile(
    r"([A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*)"
    r"@((?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+([A-Za-z](?:[A-Za-z0-9]{0,61}[A-Za-z])?))"
)
#: RFC 6761 and RFC 8375: names that are never mail; email-validator words the refusal.
_SPECIAL: Final = frozenset({"arpa", "invalid", "local", "localhost", "onion", "test"})
#: RFC 2142: mailboxes that are the same in capitals.
ROLES: Final = frozenset(
    {"info", "marketing", "sales", "support"}
    | {"abuse", "noc", "security"}
    | {"postmaster", "hostmaster", "usenet", "news", "webmaster", "www", "uucp", "ftp"}
)
_PHONE_MOST: Final = 60  # room for two numbers, so that they can be told apart
_MAIL_MOST: Final = 254  # RFC 5321 section 4.5.3.1.3, with errata 1690
_LOCAL_MOST: Final = 64  # RFC 5321 section 4.5.3.1.1


def phone(text: str, region: str) -> Address:
    """Return a telephone number in E.164.

    ``region`` is the country of numbers without a country code, two capital letters such as ``US``.

    Raises:
        Malformed: it is not a number that can exist.
    """
    value = plain_phone(text, region)
    return Address(AddressKind.PHONE, value) if value else _phone_elsewhere(text, region)


def plain_phone(text: str, region: str) -> str:
    """Return a number in E.164, where it is written as everybody in North America does; else nothing."""
    match = _NANP.fullmatch(text)
    if match is not None:
        prefix, area, exchange, line = match.groups()
        dialled = prefix is not None and "+" in prefix
        if area in AREAS and (dialled or region in _NANP_HOME):
            return f"+1{area}{exchange}{line}"
    return ""


def _phone_elsewhere(text: str, region: str) -> Address:
    trimmed = text.strip(_BLANK)
    if len(trimmed) > _PHONE_MOST:
        raise Malformed(Flaw.TOO_LONG)
    _refuse_traps(trimmed, _PHONE_TRAPS)
    import phonenumbers as library

    try:
        number = library.parse(trimmed, region or None)
    except library.NumberParseException as wrong:
        raise Malformed(_PARSE_FLAWS[wrong.error_type]) from None
    if not library.is_valid_number(number):
        raise Malformed(_LENGTH_FLAWS.get(library.is_possible_number_with_reason(number), Flaw.UNASSIGNED))
    return Address(AddressKind.PHONE, library.format_number(number, library.PhoneNumberFormat.E164))


#: ``NumberParseException.error_type`` and ``ValidationResult`` of phonenumbers 9, by their numbers.
_PARSE_FLAWS: Final = {
    0: Flaw.COUNTRY,
    1: Flaw.LETTERS,
    2: Flaw.TOO_SHORT,
    3: Flaw.TOO_SHORT,
    4: Flaw.TOO_LONG,
}
_LENGTH_FLAWS: Final = {1: Flaw.COUNTRY, 2: Flaw.TOO_SHORT, 3: Flaw.TOO_LONG, 4: Flaw.TOO_SHORT}


def email(text: str) -> Address:
    """Return a mailbox with its domain in lower case, in ASCII.

    Whether the domain takes mail is not asked: that needs the network.

    Raises:
        Malformed: it is not a mailbox, or holds anything besides one.
    """
    trimmed = text.strip(_BLANK)
    value = plain_email(trimmed)
    return Address(AddressKind.EMAIL, value) if value else _email_elsewhere(trimmed)


def plain_email(text: str) -> str:
    """Return a mailbox that needs no more than a look, its domain in lower case; else nothing."""
    match = _MAILBOX.fullmatch(text) if len(text) <= _MAIL_MOST else None
    if match is not None:
        local, domain, top = match.groups()
        plain = "--" not in domain and top.lower() not in _SPECIAL
        if plain and len(local) <= _LOCAL_MOST and local.lower() not in ROLES:
            return f"{local}@{domain.lower()}"
    return ""


def _email_elsewhere(text: str) -> Address:
    if len(text) > _MAIL_MOST:
        raise Malformed(Flaw.MAIL_TOO_LONG)
    _refuse_traps(text, _EMAIL_TRAPS)
    import email_validator as library

    try:
        found = library.validate_email(text, check_deliverability=False, strict=True)
    except library.EmailNotValidError:
        raise Malformed(Flaw.MAILBOX) from None
    if found.ascii_email is None:
        raise Malformed(Flaw.NOT_ASCII)
    return Address(AddressKind.EMAIL, found.ascii_email)


def _refuse_traps(text: str, traps: tuple[tuple[re.Pattern[str], Flaw], ...]) -> None:
    for pattern, flaw in traps:
        if pattern.search(text):
            raise Malformed(flaw)
