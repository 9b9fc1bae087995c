import os

import pytest
from pydantic_core import PydanticCustomError

from alerting.config.secrets import NoSecrets, SandboxSecrets, Secrets


@pytest.fixture
def file_secret(tmp_path):
    """Resolve a file of these bytes and this mode."""

    def resolve(content, mode=0o600):
        path = tmp_path / "token"
        path.write_bytes(content)
        path.chmod(mode)
        return Secrets({}, tmp_path).resolve(source="file", name="token", field="token").reveal()

    return resolve


def refused(resolve, *args):
    with pytest.raises(PydanticCustomError) as caught:
        resolve(*args)
    return caught.value.context["what"]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n"])
def test_a_file_gives_its_text_without_the_line_ends_behind_it(file_secret, end):
    assert file_secret(b" t0ken " + end) == " t0ken "


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o440, 0o640])
def test_a_file_for_its_owner_and_its_group_is_read(file_secret, mode):
    assert file_secret(b"t0ken", mode) == "t0ken"


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o620, 0o777])
def test_a_file_that_others_can_read_or_change_is_refused(file_secret, mode):
    assert refused(file_secret, b"t0ken", mode) == "everybody can read the secret's file"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the secret's file is empty"),
        (b" \n", "the secret's file is empty"),
        (b"\xff\xfe", "the secret's file is not text"),
        (b"x" * 70_000, "the secret's file is too large to be one"),
    ],
)
def test_a_file_that_holds_no_secret_is_refused(file_secret, content, words):
    assert refused(file_secret, content) == words


def test_a_path_that_leads_to_no_file_is_refused_and_not_repeated(tmp_path):
    secrets = Secrets({}, tmp_path)
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("t0ken-pasted-here", ".", "a\0b", "x" * 5_000, "pipe"):
        said = refused(lambda name=name: secrets.resolve(source="file", name=name, field="token"))
        assert said.startswith("the secret's file")
        assert name in {".", "pipe"} or name not in said


def test_a_variable_that_is_missing_or_empty_is_named(tmp_path):
    secrets = Secrets({"EMPTY": " "}, tmp_path)
    for name, words in (
        ("MISSING", "the variable MISSING is not set"),
        ("EMPTY", "the variable EMPTY is empty"),
    ):
        assert refused(lambda name=name: secrets.resolve(source="env", name=name, field="token")) == words


def test_a_sandbox_and_a_channel_that_is_off_get_invented_ones():
    assert SandboxSecrets().resolve(source="env", name="X", field="token").reveal() == "sandbox-token"
    assert NoSecrets().resolve(source="env", name="X", field="token").reveal() == "off-token"


def credential(environ, folder, name="x-token"):
    return Secrets(environ, folder).resolve(source="credential", name=name, field="token")


def test_what_systemd_hands_over_is_read_from_where_each_unit_has_its_own(tmp_path):
    for unit in ("serve", "worker"):
        path = tmp_path / unit / "x-token"
        path.parent.mkdir()
        path.write_text(f"t0ken of {unit}\n")
        path.chmod(0o440)
    for unit in ("serve", "worker"):
        found = credential({"CREDENTIALS_DIRECTORY": str(tmp_path / unit)}, tmp_path)
        assert found.reveal() == f"t0ken of {unit}"


def test_a_credential_that_was_not_handed_over_is_told_apart_from_a_shell_without_any(tmp_path):
    none = refused(lambda: credential({}, tmp_path))
    assert none == "there are no credentials of systemd here (CREDENTIALS_DIRECTORY is not set)"
    lost = refused(lambda: credential({"CREDENTIALS_DIRECTORY": str(tmp_path)}, tmp_path, "t0ken-pasted"))
    assert lost == "no credential of that name is in CREDENTIALS_DIRECTORY"


def test_a_credential_others_can_read_is_refused_as_any_file(tmp_path):
    (tmp_path / "x-token").write_text("t0ken")
    (tmp_path / "x-token").chmod(0o644)
    said = refused(lambda: credential({"CREDENTIALS_DIRECTORY": str(tmp_path)}, tmp_path))
    assert said == "everybody can read the secret's file"
