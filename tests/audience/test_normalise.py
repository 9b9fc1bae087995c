import subprocess
import sys

import email_validator
import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alerting.audience.nanp import AREAS
from alerting.audience.normalise import Flaw, Malformed, email, phone

NOTATIONS = (
    "{0}{1}{2}",
    "({0}) {1}-{2}",
    "({0}){1}-{2}",
    "{0}-{1}-{2}",
    "{0}.{1}.{2}",
    "{0} {1} {2}",
    "1{0}{1}{2}",
    "1-{0}-{1}-{2}",
    "+1{0}{1}{2}",
    "+1 ({0}) {1}-{2}",
    "+1.{0}.{1}.{2}",
    "  {0}\u00a0{1} {2}\t",
)
digits = st.text("0123456789", min_size=4, max_size=4)


def library_phone(text: str, region: str) -> str | None:
    """What phonenumbers alone says."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def our_phone(text: str, region: str) -> str | None:
    try:
        return phone(text, region).value
    except Malformed:
        return None


def our_email(text: str) -> str | None:
    try:
        return email(text).value
    except Malformed:
        return None


def library_email(text: str) -> str | None:
    """What email-validator alone says."""
    try:
        return email_validator.validate_email(text, check_deliverability=False, strict=True).ascii_email
    except email_validator.EmailNotValidError:
        return None


@given(
    area=st.sampled_from(sorted(AREAS)) | st.integers(100, 999).map(str),
    exchange=st.integers(100, 999).map(str),
    line=digits,
    notation=st.sampled_from(NOTATIONS),
    region=st.sampled_from(("US", "CA", "JM", "GB", "")),
)
@example(area="983", exchange="611", line="0100", notation="{0}{1}{2}", region="US")
@example(area="876", exchange="555", line="0100", notation="+1{0}{1}{2}", region="US")
def test_north_american_numbers_get_the_answer_phonenumbers_gives(area, exchange, line, notation, region):
    text = notation.format(area, exchange, line)
    assert our_phone(text, region) == library_phone(text, region)


@given(st.sampled_from(sorted(AREAS)), st.integers(200, 999), digits)
def test_every_area_code_taken_for_granted_is_good_with_any_exchange(area, exchange, line):
    assert library_phone(f"+1{area}{exchange}{line}", "") == f"+1{area}{exchange}{line}"


@given(
    st.sampled_from(("GB", "DE", "FR", "MX", "JP", "US")),
    st.text("0123456789 ()-.+", min_size=0, max_size=18),
)
def test_numbers_of_other_countries_get_the_answer_phonenumbers_gives(region, text):
    # phonenumbers drops a dot at the end of what was a number cell; a spreadsheet's ".0" is refused here.
    ours = our_phone(text, region)
    assert ours is None or ours == library_phone(text, region)


@pytest.mark.parametrize("region", ["GB", "DE", "FR", "MX", "AU", "IN", "BR", "JP", "US", "CA"])
def test_the_example_number_of_a_country_is_read_in_every_notation(region):
    number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    forms = phonenumbers.PhoneNumberFormat
    expected = phonenumbers.format_number(number, forms.E164)
    for form in (forms.E164, forms.INTERNATIONAL, forms.NATIONAL):
        assert phone(phonenumbers.format_number(number, form), region).value == expected


@given(st.sampled_from(sorted(AREAS)), st.integers(200, 999), digits)
def test_a_normal_form_is_its_own_normal_form(area, exchange, line):
    once = phone(f"({area}) {exchange}-{line}", "US")
    assert phone(once.value, "DE") == once


PHONE_FLAWS = {
    "": Flaw.EMPTY,
    "  \t": Flaw.EMPTY,
    "413-555-0100\n": Flaw.LINE_BREAK,
    "413\r\n555-0100": Flaw.LINE_BREAK,
    "413-555-0100\u2028": Flaw.LINE_BREAK,
    "\u202a4135550100\u202c": Flaw.INVISIBLE,
    "413555\x000100": Flaw.INVISIBLE,
    "413-555-0100 or 413-555-0101": Flaw.SEVERAL,
    "413-555-0100; 413-555-0101": Flaw.SEVERAL,
    "4.13555E+09": Flaw.SPREADSHEET,
    "4135550100.0": Flaw.SPREADSHEET,
    "ask at the desk": Flaw.LETTERS,
    "1-800-FLOWERS": Flaw.LETTERS,
    "413-555-0100 x12": Flaw.EXTENSION,
    "413-555-0100 ext. 7": Flaw.EXTENSION,
    "413-555-0100#7": Flaw.EXTENSION,
    "555-0100": Flaw.TOO_SHORT,
    "911": Flaw.TOO_SHORT,
    "4135550100123456": Flaw.TOO_LONG,
    "4" * 200: Flaw.TOO_LONG,
    "+999 123 4567 890": Flaw.COUNTRY,
    "(999) 555-0123": Flaw.UNASSIGNED,
}
EMAIL_FLAWS = {
    " ": Flaw.EMPTY,
    "ann@example.edu\nBcc: bob@example.edu": Flaw.LINE_BREAK,
    "ann@example.edu\r": Flaw.LINE_BREAK,
    "ann\u200b@example.edu": Flaw.INVISIBLE,
    "ann@example.edu; bob@example.edu": Flaw.SEVERAL,
    "ann.example.edu": Flaw.NO_AT,
    "Ann <ann@example.edu>": Flaw.DISPLAY_NAME,
    "mailto:ann@example.edu": Flaw.DISPLAY_NAME,
    "ann@example": Flaw.MAILBOX,
    "ann@example,edu": Flaw.MAILBOX,
    "ann@@example.edu": Flaw.MAILBOX,
    ".ann@example.edu": Flaw.MAILBOX,
    "ann@desk.local": Flaw.MAILBOX,
    "ann@[127.0.0.1]": Flaw.MAILBOX,
    '"ann b"@example.edu': Flaw.MAILBOX,
    "jürgen@example.edu": Flaw.NOT_ASCII,
    f"{'a' * 300}@example.edu": Flaw.MAIL_TOO_LONG,
}


@pytest.mark.parametrize(("text", "flaw"), PHONE_FLAWS.items())
def test_a_bad_number_says_what_is_wrong_and_what_to_do(text, flaw):
    with pytest.raises(Malformed) as caught:
        phone(text, "US")
    assert caught.value.why is flaw
    assert caught.value.fix
    assert str(caught.value) == flaw.words


@pytest.mark.parametrize(("text", "flaw"), EMAIL_FLAWS.items())
def test_a_bad_mailbox_says_what_is_wrong_and_what_to_do(text, flaw):
    with pytest.raises(Malformed) as caught:
        email(text)
    assert caught.value.why is flaw


def test_every_flaw_there_is_has_an_example():
    assert {*PHONE_FLAWS.values(), *EMAIL_FLAWS.values()} == set(Flaw)


def test_a_european_number_with_a_slash_is_one_number():
    assert phone("0711/123456", "DE").value == "+49711123456"


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("Ann.Smith@Example.EDU", "Ann.Smith@example.edu"),
        (" ann+alerts@mail.example.edu\t", "ann+alerts@mail.example.edu"),
        ("INFO@example.edu", "info@example.edu"),
        ("ann@münchen.de", "ann@xn--mnchen-3ya.de"),
        ("o'brien@example.edu", "o'brien@example.edu"),
    ],
)
def test_a_mailbox_keeps_its_name_and_has_its_domain_in_small_ascii_letters(text, normal):
    assert email(text).value == normal


@given(
    st.emails() | st.from_regex(r"[A-Za-z.+'-]{1,70}@[A-Za-z0-9.-]{1,80}\.[A-Za-z0-9]{1,8}", fullmatch=True)
)
@example(f"{'a' * 65}@example.edu")
@example(f"a@{'b' * 64}.edu")
@example("a@ab--cd.edu")
@example("ABUSE@example.edu")
@example(f"a@{'b.' * 124}edu")
def test_mailboxes_get_the_answer_email_validator_gives(text):
    assert our_email(text) == library_email(text)


@given(
    st.sampled_from(("ann@example.edu", "4135550100", "+44 20 7946 0958", "ann@münchen.de")),
    st.integers(0, 20),
    st.sampled_from(("\r", "\n", "\r\n", "\v", "\f", "\x85", "\u2028", "\u2029")),
)
def test_no_line_break_gets_through_wherever_it_stands(text, at, sign):
    broken = text[:at] + sign + text[at:]
    assert our_email(broken) is None
    assert our_phone(broken, "US") is None


@given(st.text())
def test_any_text_is_an_address_in_ascii_or_malformed(text):
    assert (our_email(text) or "").isascii()
    assert (our_phone(text, "US") or "").isascii()


def test_common_numbers_and_mailboxes_are_read_without_loading_a_library():
    code = (
        "import sys\n"
        "from alerting.audience.normalise import phone, email\n"
        "phone('(413) 555-0100', 'US'); phone('+16175550100', 'DE'); email('Ann@Example.edu')\n"
        "assert not {'phonenumbers', 'email_validator'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
