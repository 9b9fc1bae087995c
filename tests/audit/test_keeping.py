import pytest

from alerting.audit.acts import Act, write
from alerting.audit.checkpoint import Checkpoint, append, origin_of, read
from alerting.audit.signer import SIGNING, STAND_INS, Signer, Verifier, stand_in_key
from alerting.errors import LedgerUnavailable, NotAllowed, UsageProblem
from alerting.model.receipt import ReceiptStatus
from tests.audit.conftest import AUDITOR, ids


def test_keys_are_made_once_and_are_for_their_owner_only(tmp_path):
    first, fresh = Signer.of(tmp_path, "a/log")
    again, old = Signer.of(tmp_path, "a/log")
    assert (fresh, old) == (True, False)
    assert first.verifier == again.verifier
    assert stand_in_key(tmp_path) == stand_in_key(tmp_path)
    assert {oct((tmp_path / name).stat().st_mode)[-3:] for name in (SIGNING, STAND_INS)} == {"600"}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([SIGNING, STAND_INS])


def test_a_key_others_can_read_is_refused(tmp_path):
    stand_in_key(tmp_path)
    (tmp_path / STAND_INS).chmod(0o644)
    with pytest.raises(LedgerUnavailable, match="other accounts of this machine can read it"):
        stand_in_key(tmp_path)


def test_a_key_that_is_none_is_never_replaced_by_itself(tmp_path):
    path = tmp_path / SIGNING
    path.write_text("nonsense")
    path.chmod(0o600)
    with pytest.raises(LedgerUnavailable, match="not a key of ours"):
        Signer.of(tmp_path, "a/log")
    assert path.read_text() == "nonsense"


def test_the_public_key_is_a_line_that_reads_back(tmp_path):
    verifier = Signer.of(tmp_path, "a/log")[0].verifier
    assert Verifier.parse(f" {verifier.text}\n") == verifier
    for bad in ("", "a", "a+b+c", verifier.text[:-4], verifier.text.replace("a/log", "b/log")):
        with pytest.raises(UsageProblem, match="not a public key"):
            Verifier.parse(bad)


def test_a_note_has_the_shape_of_a_signed_note(tmp_path):
    signer, _ = Signer.of(tmp_path, "north-shore-university/alert-audit")
    note = Checkpoint(origin=signer.name, size=42, head="ab" * 32).signed(signer)
    lines = note.split("\n")
    assert lines[:2] == ["north-shore-university/alert-audit", "42"]
    assert lines[3] == ""
    assert lines[4].startswith("\N{EM DASH} north-shore-university/alert-audit ")
    assert lines[5:] == [""]
    append(tmp_path / "c", note)
    append(tmp_path / "c", note)
    assert [one.genuine(signer.verifier) for one in read(tmp_path / "c")] == [True, True]


@pytest.mark.parametrize("cut", [1, 40, 120])
def test_a_file_of_checkpoints_that_was_cut_is_refused(tmp_path, cut):
    signer, _ = Signer.of(tmp_path, "a/log")
    text = Checkpoint(origin=signer.name, size=42, head="ab" * 32).signed(signer)
    (tmp_path / "c").write_text(text[:-cut] if cut > 1 else text.replace("42", "042"))
    with pytest.raises(UsageProblem, match="whole checkpoints"):
        read(tmp_path / "c")


def test_a_place_that_cannot_be_written_is_said_and_the_record_stays(tmp_path):
    with pytest.raises(LedgerUnavailable, match="cannot be written"):
        append(tmp_path / "missing" / "c", "note")


def test_a_name_is_made_of_the_campus(tmp_path):
    assert origin_of("North Shore University!") == "north-shore-university/alert-audit"
    assert origin_of("大学") == "campus/alert-audit"


def test_only_what_changed_is_sealed_again(lived):
    assert len(lived.checkpoint().sealed) == 5
    assert lived.checkpoint().sealed == ()
    assert len(lived.checkpoint(everything=True).sealed) == 5
    batch_of = lived.ledger.deliveries("L-CCCCCC")
    arrived = next(row for row in batch_of if row.provider_id)
    lived.receipts((arrived.provider_id, ReceiptStatus.DELIVERED, ""))
    assert lived.checkpoint().sealed == ("L-CCCCCC",)


def test_an_alert_at_rest_is_due_until_it_is_sealed(lived):
    assert "L-AAAAAA" in lived.keeper.due(lived.ledger)
    lived.checkpoint()
    assert lived.keeper.due(lived.ledger) == []
    lived.open("L-FFFFFF", "sms-main")
    assert lived.keeper.due(lived.ledger) == []
    while lived.ledger.unsettled():
        batch = lived.lease("sms-main") or lived.lease("email-main")
        assert ids(batch)
        lived.resend(batch)
    assert lived.keeper.due(lived.ledger) == ["L-FFFFFF"]


def test_only_acts_without_an_effect_can_be_asked_for(lived):
    with pytest.raises(NotAllowed), lived.ledger.transaction():
        write(lived.ledger, [Act("alert.cancelled", "L-AAAAAA", {})], actor=AUDITOR, at=lived.now)
    assert not [act for act in lived.ledger.audit() if act.actor == AUDITOR.name]


def test_people_are_nowhere_in_the_log(lived):
    lived.checkpoint()
    whole = "".join(repr(act) for act in lived.ledger.audit())
    assert "+1555" not in whole
    assert "person" not in whole.replace("person@", "")
    assert lived.elsewhere.stat().st_size < 400
