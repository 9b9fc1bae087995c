import pytest
from pydantic import ValidationError

from alerting.channels.settings import E164, ChannelSettings, Email, SecretField
from alerting.secret import Secret


class Settings(ChannelSettings):
    token: SecretField | None = None
    number: E164 = "+14135550100"
    mailbox: Email = "ann@example.edu"


def made(**fields):
    return Settings(name="sms-main", kind="sms", **fields)


def said(**fields):
    with pytest.raises(ValidationError) as caught:
        made(**fields)
    [error] = caught.value.errors(include_url=False)
    return f"{error['ctx']['what']}; {error['ctx']['fix']}"


@pytest.mark.parametrize(
    ("number", "fix"),
    [
        ("555-0100", 'write "+15550100"'),
        ("(413) 555-0100", 'write "+14135550100"'),
        ("1 413 555 0100", 'write "+14135550100"'),
        ("00441234567890", 'write it with plus and country code, like "+14135550100"'),
        ("+", 'write it with plus and country code, like "+14135550100"'),
        ("+0123456789", 'write it with plus and country code, like "+14135550100"'),
        ("desk", 'write it with plus and country code, like "+14135550100"'),
    ],
)
def test_a_number_that_is_not_e164_is_answered_with_how_to_write_it(number, fix):
    assert said(number=number) == f'"{number}" is not E.164; {fix}'


def test_a_mailbox_is_brought_to_normal_form_and_a_bad_one_says_why():
    assert made(mailbox="Ann@EXAMPLE.edu").mailbox == "Ann@example.edu"
    assert said(mailbox="ann at example.edu").startswith(
        '"ann at example.edu" is not a mail address (no @ in it); '
    )


def test_a_secret_given_by_code_is_taken_and_a_text_is_not():
    assert made(token=Secret("t0ken")).token.reveal() == "t0ken"
    assert said(token="t0ken") == "a secret is never written into the file; " + HOW


HOW = "write {env: NAME_OF_A_VARIABLE} or {file: PATH}"


@pytest.mark.parametrize(
    "reference", [{}, {"env": "A", "file": "b"}, {"env": 1}, {"file": ""}, {"vault": "x"}, 7, ["x"]]
)
def test_what_is_no_reference_to_a_secret_is_told_how_to_write_one(reference):
    assert said(token=reference) == f"not a reference to a secret; {HOW}"


@pytest.mark.parametrize("name", ["t0ken", "X-TOKEN", "1TOKEN", "X TOKEN"])
def test_only_a_name_in_capitals_counts_as_a_variable_and_others_are_not_repeated(name):
    told = said(token={"env": name})
    assert told == "env takes the name of a variable, in capitals; write it like {env: X_TOKEN}"


@pytest.mark.parametrize("name", ["../t0ken", "/etc/t0ken", "t0ken/pasted", "t0 ken", "-t0ken", "a" * 300])
def test_only_what_can_name_a_credential_counts_as_one_and_others_are_not_repeated(name):
    told = said(token={"credential": name})
    assert (
        told == "credential takes the name that LoadCredential= gives it; write it like {credential: x-token}"
    )


def test_a_reference_outside_a_configuration_file_is_refused():
    assert said(token={"env": "X_TOKEN"}).startswith(
        "references to secrets are read from a configuration file"
    )


def test_settings_cannot_be_changed_and_do_not_print_their_secrets():
    settings = made(token=Secret("t0ken"))
    with pytest.raises(ValidationError):
        settings.name = "other"
    assert "t0ken" not in repr(settings)
