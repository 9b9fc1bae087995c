import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.errors import LedgerUnavailable
from alerting.ledger import migrate, statements
from alerting.ledger.audit import first_break, row_after
from alerting.ledger.codec import alert_from, alert_text, canonical, content_from, content_text
from alerting.ledger.curve import Second, times
from alerting.ledger.instants import instant, micros
from alerting.ledger.place import NETWORKED, file_system, refuse_network
from alerting.ledger.reading import COUNTED
from alerting.ledger.settling import REACH
from alerting.model.delivery import SETTLED, State
from alerting.testing.builders import A_MOMENT, a_content, a_drill, an_actor, an_alert


class TestStatements:
    def test_a_file_is_read_by_name_without_comments(self):
        text = "-- about\n\n-- name: one --\nSELECT 1\n-- why\nFROM a\n\n-- name: two --\nSELECT 2\n"
        assert statements.parse(text, "x.sql") == {"one": "SELECT 1\nFROM a", "two": "SELECT 2"}

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("-- name: a --\nSELECT 1\n-- name: a --\nSELECT 2", "two statements are called a"),
            ("-- name: a --\n-- name: b --\nSELECT 2", "nothing under a"),
            ("SELECT 1", "before the first name"),
        ],
    )
    def test_a_broken_file_is_refused(self, text, problem):
        with pytest.raises(ValueError, match=problem):
            statements.parse(text, "x.sql")

    def test_every_statement_is_used_and_every_used_one_exists(self):
        source = "".join(p.read_text() for p in Path(statements.__file__).parent.glob("*.py"))
        used = set(re.findall(r'_db\.(?:all|one|run|many|at_last)\(\s*"(\w+)"', source))
        used |= set(re.findall(r'database\.(?:run|at_last)\(\s*"(\w+)"', source))
        used |= set(re.findall(r'\.run_on\(\s*"(\w+)"', source))
        assert used == set(statements.load("sqlite"))

    def test_every_statement_is_sqlite(self, open_ledger):
        connection = open_ledger()._connection
        question = "SELECT 0 AS place, '' AS address, '' AS recipient, '' AS fallback"
        for name, template in statements.load("sqlite").items():
            text = template.format(question=question)
            asked = len(set(re.findall(r"\?\d+", text))) or text.count("?")
            plan = connection.raw.execute(f"EXPLAIN {text}", [0] * asked).fetchall()
            assert plan, name


class TestMigrations:
    def test_numbers_are_whole(self, tmp_path):
        (tmp_path / "0002_b.sql").write_text("SELECT 1;")
        with pytest.raises(ValueError, match="numbered"):
            migrate.steps(folder=tmp_path)

    def test_a_statement_without_an_end_is_refused(self, tmp_path):
        (tmp_path / "0001_a.sql").write_text("SELECT 1")
        with pytest.raises(ValueError, match="no end"):
            migrate.steps(folder=tmp_path)

    def test_only_later_steps_are_taken(self):
        assert [step.number for step in migrate.steps()] == list(range(1, migrate.latest() + 1))
        assert migrate.steps(migrate.latest()) == []


class TestAudit:
    def chain(self, count):
        rows, head = [], None
        for number in range(count):
            row = row_after(
                head, "a", f"s{number}", {"n": number}, actor=an_actor(), at=number, monotonic=0.5
            )
            rows.append(row)
            head = (row.seq, row.hash)
        return rows

    def test_a_whole_chain_has_no_break(self):
        assert first_break(self.chain(5)) is None
        assert first_break([]) is None

    @pytest.mark.parametrize("field", ["at", "monotonic", "actor", "origin", "action", "subject", "body"])
    def test_an_edited_row_is_found(self, field):
        rows = self.chain(5)
        value = getattr(rows[2], field)
        rows[2] = rows[2]._replace(**{field: value + ("x" if isinstance(value, str) else 1)})
        assert first_break(rows) == 3

    @given(st.data())
    def test_a_removed_or_moved_row_is_found(self, data):
        rows = self.chain(6)
        gone = data.draw(st.integers(0, 4))
        assert first_break(rows[:gone] + rows[gone + 1 :]) == gone + 1
        rows[gone], rows[gone + 1] = rows[gone + 1], rows[gone]
        assert first_break(rows) == gone + 1


class TestCodec:
    @given(st.dictionaries(st.text(), st.text()), st.lists(st.text()), st.datetimes())
    def test_an_alert_comes_back_equal(self, variables, references, at):
        alert = a_drill(
            variables=variables,
            references=tuple(references),
            created_at=at.replace(tzinfo=UTC),
            clock={"a": "b"},
        )
        assert alert_from(alert_text(alert)) == alert

    def test_a_content_comes_back_equal(self):
        content = a_content("é\n", notes=("a", "b"), extra={"k": "v"}, subject="s", html="<p>")
        assert content_from(content_text(content)) == content

    def test_equal_values_read_the_same(self):
        assert canonical({"b": 1, "a": (2, A_MOMENT)}) == canonical({"a": [2, micros(A_MOMENT)], "b": 1})

    def test_what_cannot_be_written_is_refused(self):
        with pytest.raises(TypeError, match="set cannot be written"):
            canonical({"a": set()})

    def test_a_field_added_later_is_missing_in_older_records(self):
        text = alert_text(an_alert()).replace('"priority":50,', "")
        assert alert_from(text) == an_alert()

    def test_a_field_of_a_later_version_is_left_alone_while_both_work_side_by_side(self):
        for made, written, back in (
            (an_alert(), alert_text, alert_from),
            (a_content("é"), content_text, content_from),
        ):
            told = {**json.loads(written(made)), "of_a_later_version": {"a": 1}}
            assert back(canonical(told)) == made


class TestInstants:
    @given(st.datetimes(), st.integers(-14, 14))
    def test_an_instant_survives_exactly(self, at, offset):
        aware = at.replace(tzinfo=timezone(timedelta(hours=offset)))
        assert instant(micros(aware)) == aware if datetime.min.year < at.year < datetime.max.year else True


class TestCurve:
    def test_nothing_accepted_has_no_times(self):
        assert times([], of=3) == {}

    def test_a_single_post_is_first_and_last(self):
        assert times([Second(1, 1, 1834, 1834)], of=1) == {"first": 1.834, "50": 1.834, "95": 1.834}

    @given(st.lists(st.integers(0, 20_000), min_size=1), st.integers(0, 30))
    def test_times_are_close_to_the_true_ones(self, moments, missing):
        moments.sort()
        seconds = Counter(ms // 1000 for ms in moments)
        curve = [
            Second(s, n, min(m for m in moments if m // 1000 == s), max(m for m in moments if m // 1000 == s))
            for s, n in sorted(seconds.items())
        ]
        of = len(moments) + missing
        found = times(curve, of=of)
        assert found["first"] == moments[0] / 1000
        for share in (50, 95):
            rank = -(-of * share // 100)
            if rank > len(moments):
                assert str(share) not in found
            else:
                assert abs(found[str(share)] - moments[rank - 1] / 1000) < 1


class TestPlace:
    TABLE = "/dev/vda / ext4 rw 0 0\nsrv:/x /mnt/shared nfs4 rw 0 0\n//a/b /mnt/with\\040blank cifs rw 0 0\nbroken\n"

    @pytest.mark.parametrize(
        ("path", "kind"),
        [
            ("/var/lib/alerting/l.sqlite", "ext4"),
            ("/mnt/shared/l.sqlite", "nfs4"),
            ("/mnt/sharedness/l.sqlite", "ext4"),
            ("/mnt/with blank/l.sqlite", "cifs"),
        ],
    )
    def test_the_deepest_mount_decides(self, path, kind):
        assert file_system(path, self.TABLE) == kind

    def test_a_network_disk_is_refused(self, tmp_path):
        mounts = tmp_path / "mounts"
        mounts.write_text(f"srv:/x {tmp_path} nfs rw 0 0\n")
        with pytest.raises(LedgerUnavailable, match="network file system"):
            refuse_network(tmp_path / "l.sqlite", mounts)

    def test_where_mounts_are_not_listed_nothing_is_refused(self, tmp_path):
        refuse_network(tmp_path / "l.sqlite", tmp_path / "none")
        assert "nfs" in NETWORKED


class TestStates:
    def test_every_state_has_its_counter(self, open_ledger):
        assert set(COUNTED) == set(State)
        columns = {row[1] for row in open_ledger()._connection.do("PRAGMA table_info(batch)")}
        assert {f"n_{state}" for state in State} <= columns

    def test_a_result_never_moves_a_settled_row_and_never_claims(self):
        assert {state for state, after in REACH.items() if not after} == SETTLED
        assert all(State.SENDING not in after for after in REACH.values())
