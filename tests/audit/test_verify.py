import json
import os
import random
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest

from alerting.audit.checkpoint import read
from alerting.audit.signer import Verifier, stand_in_key
from alerting.audit.verify import BY_ALERT, GROWING, PASSING, verify, verify_file
from alerting.ledger.audit import Chain, record_digest, row_after
from alerting.ledger.filecopy import LedgerCopy
from alerting.ledger.migrate import latest
from alerting.ledger.rows import Actor, AuditRow
from alerting.ledger.sqlite import SqliteLedger
from alerting.model.receipt import ReceiptStatus
from alerting.testing.builders import accepted, an_actor
from tests.audit.conftest import ids

#: How many random attacks are tried; all 5,000 on demand: ALERT_AUDIT_ATTACKS=5000.
ATTACKS = int(os.environ.get("ALERT_AUDIT_ATTACKS", "400"))
#: What only passes through the ledger, and is documented as not sealed.
NOT_SEALED = {"early", "orphan", "drill_watch"}
#: What grows by itself, without an act: a later row invented there contradicts nothing.
GROWS = {"receipt", "opt", "reply"}


def look(house, copy=None, **options):
    with copy or LedgerCopy.open(house.path) as opened:
        return verify(opened, key=stand_in_key(house.state, make=False), **options)


def test_a_ledger_of_the_version_before_is_whole_as_it_is_and_once_it_is_brought_up_to_date(lived):
    """What was opened with the column nobody used keeps its digest without it."""
    lived.checkpoint()
    before = {
        row.subject: json.loads(row.body)["record"]
        for row in lived.ledger.audit()
        if row.action == "alert.opened"
    }
    lived.ledger.close()
    older = """
        ALTER TABLE alert ADD COLUMN pending TEXT NOT NULL DEFAULT '{}';
        DROP TABLE roll;
        DROP TABLE roll_part;
        UPDATE meta SET value = '3' WHERE name = 'schema';
    """
    with closing(sqlite3.connect(lived.path)) as raw:
        raw.executescript(older)
        rows = raw.execute(
            "SELECT id, run_key, incident, audience, body, pending, digest, expires_at, accepted_at, ref FROM alert"
        ).fetchall()
        lanes = "SELECT name, seat, kind, content, fallback FROM lane JOIN channel ON channel.ref = channel WHERE alert = ?"
        found = {row[0]: record_digest(row[:-1], raw.execute(lanes, row[-1:]).fetchall()) for row in rows}
    assert found == before
    lived.ledger = SqliteLedger.open(lived.path, clock=lived.clock)
    assert look(lived).broken == []
    with closing(sqlite3.connect(lived.path)) as raw:
        assert "pending" not in {row[1] for row in raw.execute("PRAGMA table_info(alert)")}


def test_a_sealed_ledger_that_was_only_brought_up_to_date_is_whole_and_says_that_it_was(lived):
    """Every table is sealed as it stood; a change of the tables must not look like somebody's hand."""
    with closing(sqlite3.connect(lived.path)) as raw:
        raw.executescript("""
            DROP TABLE roll_part;
            DROP TABLE roll;
            ALTER TABLE alert ADD COLUMN pending TEXT NOT NULL DEFAULT '{}';
            UPDATE meta SET value = '3' WHERE name = 'schema';
        """)
    lived.checkpoint()
    lived.ledger.close()
    lived.ledger = SqliteLedger.open(lived.path, clock=lived.clock)
    assert look(lived).broken == []
    *_, last = lived.ledger.audit()
    assert (last.action, last.subject, json.loads(last.body)) == (
        "ledger.upgraded",
        "ledger",
        {"from": 3, "to": latest()},
    )


def test_a_file_of_a_newer_version_is_sent_to_that_version(lived):
    lived.ledger.close()
    with closing(sqlite3.connect(lived.path)) as raw:
        raw.executescript("UPDATE meta SET value = '99' WHERE name = 'schema'")
    first, *_ = verify_file(lived.path).broken
    assert "it says it is of version 99" in first
    assert first.endswith("if a newer program brought it there, verify it with that one")


def test_a_ledger_that_nobody_touched_is_whole_at_every_moment(lived):
    assert look(lived).broken == []
    lived.checkpoint()
    assert look(lived).broken == []
    lived.open("L-FFFFFF", "sms-main")
    assert look(lived).broken == []
    batch = lived.lease("sms-main")
    assert look(lived).broken == []
    with lived.ledger.transaction():
        lived.ledger.claim(batch, ids(batch), at=lived.now)
    assert look(lived).broken == []
    lived.checkpoint()
    with lived.ledger.transaction():
        lived.ledger.settle(batch, [accepted(number, at=lived.now) for number in ids(batch)])
    assert look(lived).broken == []
    lived.end(batch)
    lived.checkpoint()
    lived.receipts((f"SM{ids(batch)[0]}.1", ReceiptStatus.DELIVERED, ""))
    lived.receipts((f"SM{ids(batch)[0]}.1", ReceiptStatus.READ, ""))
    assert look(lived).broken == []
    lived.clock.advance(timedelta(seconds=1))
    with lived.ledger.transaction():
        lived.ledger.cancel("L-FFFFFF", actor=an_actor(), at=lived.now)
    verdict = look(lived)
    assert verdict.broken == []
    assert verdict.alerts == 6
    assert verdict.deliveries == 12 + 4 + 3 + 7 + 2 + 6


def test_whoever_adds_a_table_decides_how_it_is_proved(house):
    """A new table changes together with an act, or is folded, or grows, or is named as passing."""
    with_acts = {"alert", "lane", "channel", "meta", "occurrence", "drill_note"}
    assert set(house.copy().tables()) == BY_ALERT | PASSING | GROWING | with_acts


def test_a_checkpoint_is_signed_added_and_checked_with_the_noted_key_only(lived):
    kept = lived.checkpoint()
    again = lived.checkpoint()

    notes = read(lived.elsewhere)
    assert [note.checkpoint for note in notes] == [kept.checkpoint, again.checkpoint]
    verifier = Verifier.parse(kept.verifier.text)
    verdict = look(lived, notes=notes, verifier=verifier)
    assert verdict.broken == []
    assert verdict.checkpoints == 2
    other = Verifier("test-campus/alert-audit", bytes(32))
    assert "not signed by the key" in look(lived, notes=notes, verifier=other).broken[0]


def test_a_checkpoint_that_was_changed_is_refused(lived):
    kept = lived.checkpoint()
    text = lived.elsewhere.read_text("utf-8")
    lived.elsewhere.write_text(text.replace(f"\n{kept.checkpoint.size}\n", f"\n{kept.checkpoint.size - 1}\n"))

    verdict = look(lived, notes=read(lived.elsewhere), verifier=kept.verifier)

    assert "not signed" in verdict.broken[0]


def test_only_the_checkpoint_tells_a_log_that_was_written_anew_or_cut(lived):
    kept = lived.checkpoint()
    notes = read(lived.elsewhere)

    forged, cut = lived.copy(), lived.copy()
    disarm(forged._raw)
    rehash(forged._raw, lambda row: row._replace(actor="nobody") if row.seq == 1 else row)
    disarm(cut._raw)
    cut._raw.execute("DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)")
    arm(forged._raw, lived)
    arm(cut._raw, lived)

    blind_forged, blind_cut = verify(reopened(forged)), verify(reopened(cut))
    assert blind_forged.broken == []
    assert blind_cut.broken == []
    assert any("no checkpoint was given" in note for note in blind_cut.notes)
    assert "written anew" in verify(forged, notes=notes, verifier=kept.verifier).broken[0]
    assert "cut off" in verify(cut, notes=notes, verifier=kept.verifier).broken[0]


def test_without_the_key_of_stand_ins_addresses_are_not_compared_and_it_says_so(lived):
    lived.checkpoint()
    copy = lived.copy()
    copy._raw.execute(
        "UPDATE delivery SET address = 'phone:+15559999999' WHERE id = (SELECT min(id) FROM delivery)"
    )

    with_key, without = look(lived, reopened(copy)), verify(copy)

    assert "addresses" in with_key.broken[0]
    assert without.broken == []
    assert "addresses were not compared: audit.key is not at hand" in without.notes


def test_the_first_broken_place_is_told_in_words(lived):
    lived.checkpoint()
    copy = lived.copy()
    disarm(copy._raw)
    copy._raw.execute("UPDATE audit SET actor = 'eve' WHERE seq = 3")

    broken = look(lived, copy).broken

    assert any(words == "act 3 was changed after it was written" for words in broken)
    assert any("trigger audit_kept is missing" in words for words in broken)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
def test_a_file_that_was_cut_short_is_found(lived, tmp_path, share):
    lived.checkpoint()
    lived.ledger.close()
    whole = lived.path.read_bytes()
    cut = tmp_path / "cut.db"
    cut.write_bytes(whole[: int(len(whole) * share)])

    assert not verify_file(cut).whole


def test_random_attacks_are_all_found(at_rest):
    kept = at_rest.checkpoint(everything=True)
    notes, key = read(at_rest.elsewhere), stand_in_key(at_rest.state)
    pristine = frozen(at_rest.copy())
    rng = random.Random(20_070_416)
    missed, tried = [], 0
    while tried < ATTACKS:
        copy, what = attacked(pristine, at_rest, rng)
        if copy is None:
            continue
        tried += 1
        if verify(copy, notes=notes, verifier=kept.verifier, key=key).whole:
            missed.append((tried, what))
        copy.close()
    assert missed == []


def test_the_attacks_themselves_touch_every_table(at_rest):
    """Otherwise the test above could pass by trying little."""
    at_rest.checkpoint(everything=True)
    pristine = frozen(at_rest.copy())
    rng = random.Random(1)
    seen, kinds = set(), set()
    for _ in range(300):
        copy, what = attacked(pristine, at_rest, rng)
        if copy is not None:
            kinds.add(what[0])
            seen.add(what[1])
            copy.close()
    assert seen >= {"alert", "lane", "batch", "delivery", "attempt", "outcome", "receipt", "audit", "channel"}
    assert kinds == {"edit", "delete", "swap", "truncate", "insert", "rehash"}


def test_a_receipt_invented_after_the_last_seal_is_the_documented_limit(at_rest):
    """It contradicts nothing that is on record. One that changes a state or a sealed fact is found."""
    at_rest.checkpoint(everything=True)
    harmless, harmful = at_rest.copy(), at_rest.copy()
    later = (
        "INSERT INTO receipt SELECT delivery, x'00', ?, at, heard_at + 1, provider_id, '', '' FROM receipt"
    )
    harmless._raw.execute(f"{later} WHERE status = 'read' LIMIT 1", ("read",))
    harmful._raw.execute(f"{later} WHERE status = 'undelivered' LIMIT 1", ("delivered",))

    assert look(at_rest, harmless).whole
    assert "a receipt says it arrived" in look(at_rest, harmful).broken[0]


# -- the attacker, who owns the file -------------------------------------------------------------------


def attacked(pristine, house, rng):
    """Return a copy after one random attack and what it was; None where it changed nothing."""
    raw = sqlite3.connect(":memory:", isolation_level=None)
    raw.deserialize(pristine)
    copy = LedgerCopy(raw, house.path)
    disarm(raw)
    raw.execute("PRAGMA foreign_keys = OFF")
    tables = [
        t
        for t in copy.tables()
        if t not in NOT_SEALED and raw.execute(f"SELECT 1 FROM {t} LIMIT 1").fetchone()
    ]
    kind = rng.choice(["edit", "edit", "edit", "delete", "swap", "truncate", "insert", "rehash"])
    table = (
        "audit" if kind == "rehash" else rng.choice([t for t in tables if kind != "insert" or t not in GROWS])
    )
    before = content(raw, table)
    try:
        detail = ATTACK[kind](raw, table, rng)
    except (sqlite3.IntegrityError, sqlite3.OperationalError):
        detail = None
    if detail is None or content(raw, table) == before:
        raw.close()
        return None, (kind, table)
    arm(raw, house)
    return copy, (kind, table, detail)


def content(raw, table):
    return sorted(map(repr, raw.execute(f"SELECT * FROM {table}")))


def columns(raw, table):
    info = raw.execute(f"PRAGMA table_info({table})").fetchall()
    names = [row[1] for row in info]
    keys = [row[1] for row in sorted(info, key=lambda row: row[5]) if row[5]]
    return names, keys


def where(keys):
    return " AND ".join(f"{key} IS ?" for key in keys)


def some_row(raw, table, rng):
    names, keys = columns(raw, table)
    rows = raw.execute(f"SELECT * FROM {table} ORDER BY {', '.join(keys)}").fetchall()
    row = dict(zip(names, rng.choice(rows), strict=True))
    return row, names, keys, [row[key] for key in keys]


def edit(raw, table, rng):
    row, names, keys, key = some_row(raw, table, rng)
    column = rng.choice(names)
    value = other(raw, table, column, row[column], rng)
    raw.execute(f"UPDATE {table} SET {column} = ? WHERE {where(keys)}", (value, *key))
    return column, row[column], value


def other(raw, table, column, value, rng):
    choice = rng.randrange(3)
    if choice == 0:
        others = [
            v
            for (v,) in raw.execute(
                f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT ?", (value,)
            )
        ]
        if others:
            return rng.choice(others)
    if isinstance(value, bytes):
        return bytes(value[:-1]) + bytes([value[-1] ^ 1])
    if isinstance(value, int | float):
        return rng.choice([value + 1, value - 1, value + rng.randrange(1, 10**6), 0, "word"])
    text = str(value)
    if choice == 1 and text:
        place = rng.randrange(len(text))
        return text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :]
    return text + rng.choice(["x", " ", "'"])


def delete(raw, table, rng):
    _, _, keys, key = some_row(raw, table, rng)
    raw.execute(f"DELETE FROM {table} WHERE {where(keys)}", key)
    return key


def swap(raw, table, rng):
    names, keys = columns(raw, table)
    plain = [name for name in names if name not in keys]
    if not plain:
        return None
    column = rng.choice(plain)
    one, _, _, first = some_row(raw, table, rng)
    two, _, _, second = some_row(raw, table, rng)
    raw.execute(f"UPDATE {table} SET {column} = ? WHERE {where(keys)}", (two[column], *first))
    raw.execute(f"UPDATE {table} SET {column} = ? WHERE {where(keys)}", (one[column], *second))
    return column, first, second


def truncate(raw, table, rng):
    _, _, keys, key = some_row(raw, table, rng)
    raw.execute(f"DELETE FROM {table} WHERE ({', '.join(keys)}) >= ({', '.join('?' * len(keys))})", key)
    return key


def insert(raw, table, rng):
    row, names, keys, _ = some_row(raw, table, rng)
    last = keys[-1]
    value = row[last]
    row[last] = value + rng.randrange(1, 9) if isinstance(value, int) else other(raw, table, last, value, rng)
    raw.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(names))})", [row[name] for name in names])
    return row[last]


def rehash_attack(raw, table, rng):
    """Change one act and write the rest of the chain anew, as somebody with this code would."""
    (count,) = raw.execute("SELECT max(seq) FROM audit").fetchone()
    victim, column = rng.randrange(1, count + 1), rng.choice(["actor", "origin", "action", "at"])

    def change(row):
        if row.seq != victim:
            return row
        return row._replace(**{column: row.at + 1 if column == "at" else getattr(row, column) + "x"})

    rehash(raw, change)
    return victim, column


def rehash(raw, change):
    rows = [AuditRow(*row) for row in raw.execute("SELECT * FROM audit ORDER BY seq")]
    head = None
    for row in map(change, rows):
        actor = Actor(name=row.actor, origin=row.origin)
        made = row_after(
            head,
            row.action,
            row.subject,
            json.loads(row.body),
            actor=actor,
            at=row.at,
            monotonic=row.monotonic,
        )
        raw.execute(
            "UPDATE audit SET at=?, actor=?, origin=?, action=?, body=?, prev=?, hash=? WHERE seq=?",
            (made.at, made.actor, made.origin, made.action, made.body, made.prev, made.hash, made.seq),
        )
        head = (made.seq, made.hash)
    chain = Chain()
    assert chain.broken(AuditRow(*row) for row in raw.execute("SELECT * FROM audit ORDER BY seq")) is None


ATTACK = {
    "edit": edit,
    "delete": delete,
    "swap": swap,
    "truncate": truncate,
    "insert": insert,
    "rehash": rehash_attack,
}


def disarm(raw):
    for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        raw.execute(f"DROP TRIGGER {name}")


def arm(raw, house):
    """Put the triggers back, as an attacker who covers their tracks would."""
    source = sqlite3.connect(house.path)
    for (sql,) in source.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger'").fetchall():
        raw.execute(sql)
    source.close()


def reopened(copy):
    raw = sqlite3.connect(":memory:", isolation_level=None)
    raw.deserialize(frozen(copy))
    return LedgerCopy(raw, copy.path)


def frozen(copy):
    """The copy as bytes, its header saying that there is no write-ahead log: memory has none."""
    whole = bytearray(copy._raw.serialize())
    whole[18:20] = b"\x01\x01"
    return bytes(whole)
