import pytest

from alerting.app import App
from alerting.clock import FrozenClock
from alerting.errors import ConfigProblem

SMALL = """version: 1
campus: {{name: North Shore University, source: NSU ALERT, time_zone: America/New_York}}
ledger: {ledger}
channels:
  - {{name: sms-main, kind: sms.twilio, account_sid: AC00000000000000000000000000000000,
     auth_token: {{env: T}}, from: "+14135550199"}}
"""


@pytest.fixture
def built(tmp_path):
    def build(ledger, *, sandbox=False, **environ):
        path = tmp_path / "channels.yaml"
        path.write_text(SMALL.format(ledger=ledger))
        place = (lambda _: ("http://127.0.0.1:1", ("127.0.0.1", 2))) if sandbox else None
        return App(path, clock=FrozenClock(), environ={"T": "canary-t", **environ}, place=place)

    return build


@pytest.mark.parametrize(
    ("ledger", "words"),
    [
        ("postgresql://alert:canary-pw@db/alerts", "a password is never written into the file"),
        ("postgresql://alert@db/alerts?password=canary-pw", "a password is never written into the file"),
        ("mysql://db/alerts", "not the address of a ledger"),
        ("[1]", "not the address of a ledger"),
        ("{env: canary-pw}", "env takes the name of a variable"),
        ("{env: ALERT_LEDGER, file: x}", "not the address of a ledger"),
        ("{env: ALERT_LEDGER}", "the variable ALERT_LEDGER is not set"),
        ("{file: nowhere}", "the secret's file cannot be read"),
        ("{credential: ledger}", "there are no credentials of systemd here"),
        ("{credential: ../ledger}", "credential takes the name that LoadCredential= gives it"),
    ],
)
def test_what_is_no_address_is_refused_with_its_line(built, ledger, words):
    with pytest.raises(ConfigProblem) as wrong:
        built(ledger)
    assert "channels.yaml:3: ledger" in str(wrong.value)
    assert words in str(wrong.value)
    assert "canary-pw" not in str(wrong.value).replace("{env: canary-pw}", "")


def test_a_reference_leads_to_the_address_and_nobody_sees_it(built, tmp_path):
    app = built("{env: ALERT_LEDGER}", ALERT_LEDGER="postgresql://alert:canary-pw@db:5433/alerts")
    assert app.where == "postgresql://db:5433/alerts"
    assert "canary" not in repr(app.config)
    secret = tmp_path / "address"
    secret.write_text("postgresql://alert:canary-pw@db/alerts\n")
    secret.chmod(0o600)
    assert built("{file: address}").where == "postgresql://db/alerts"
    handed = built("{credential: address}", CREDENTIALS_DIRECTORY=str(tmp_path))
    assert handed.where == "postgresql://db/alerts"
    assert built("postgresql://alert@db/alerts").where == "postgresql://db/alerts"


def test_a_rehearsal_has_tables_of_its_own_or_a_file_where_no_address_is_at_hand(built):
    app = built("{env: ALERT_LEDGER}", sandbox=True, ALERT_LEDGER="postgresql://db/alerts")
    assert app.shared.schema == "alerting_sandbox"
    assert built("{env: ALERT_LEDGER}", sandbox=True).shared is None
