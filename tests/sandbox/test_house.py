import pytest
import requests

from alerting.sandbox.records import Provider
from alerting.sandbox.world import World

HOSTILE = "<script>alert(1)</script>\"><img src=x onerror=alert(2)>{{ 7*7 }}'"


@pytest.fixture
def hostile(sandbox):
    """A world in which everything that can carry text is hostile."""
    world = sandbox.box.world
    post = world.publish(Provider.X, "777", HOSTILE)
    world.publish(Provider.X, "777", "reply " + HOSTILE, parent=post.id)
    world.publish(Provider.GRAPH, HOSTILE, HOSTILE, post_id="p_1")
    sandbox.control("accounts", {"provider": "x", "id": "777", "username": HOSTILE, "name": HOSTILE})
    requests.post(
        f"{sandbox.url}/2010-04-01/Accounts/AC1/Messages.json",
        data={"To": "whatsapp:" + HOSTILE, "From": HOSTILE, "Body": HOSTILE},
        auth=("AC", "t"),
        timeout=5,
    )
    subject = f"Subject: {HOSTILE}\r\nFrom: {HOSTILE}\r\nContent-Type: text/html\r\n\r\n"
    body = f"</iframe></textarea>{HOSTILE}"
    world.keep_mail(HOSTILE, (HOSTILE,), (subject + body).encode())
    world.keep_mail(
        "a@b", ("c@d",), b"Subject: \xff\xfe\r\nContent-Type: text/plain; charset=nope\r\n\r\n\xff"
    )
    return sandbox


@pytest.mark.parametrize("path", ["/", "/?view=posts", "/?view=texts", "/?view=mails", "/outbox.html"])
def test_hostile_text_is_only_text(hostile, path):
    answer = requests.get(hostile.url + path, timeout=5)
    assert answer.status_code == 200
    assert "&lt;script&gt;" in answer.text
    for raw in ("<script", "<img", "</iframe></textarea>", '"><img'):
        assert raw not in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert 'sandbox=""' in answer.text or "view=" in path


def test_a_hostile_search_is_only_text_too(hostile):
    answer = requests.get(hostile.url + "/", params={"q": HOSTILE, "page": "9" * 30}, timeout=5)
    assert answer.status_code == 200
    assert "<script" not in answer.text
    assert "<img" not in answer.text


def test_the_search_finds_posts_texts_and_mails(sandbox, x, sms):
    x.create_tweet(text="Fire in Hale Laboratory.")
    sms.messages.create(to="+15550100001", from_="+15550199999", body="Fire in Hale.")
    sms.messages.create(to="+15550100002", from_="+15550199999", body="Something else.")
    sandbox.box.world.keep_mail("a@b.example", ("c@d.example",), b"Subject: HALE closed\r\n\r\nx\r\n")
    page = requests.get(sandbox.url + "/?q=hale", timeout=5).text
    assert "Fire in Hale Laboratory." in page
    assert "+15550100001" in page
    assert "HALE closed" in page
    assert "+15550100002" not in page
    assert "+15550100002" in requests.get(sandbox.url + "/?q=0100002", timeout=5).text


def test_pages_are_newest_first_and_can_be_turned(sandbox):
    for number in range(25):
        sandbox.box.world.publish(Provider.X, "777", f"Post number {number:02d}")
    first = requests.get(sandbox.url + "/?view=posts", timeout=5).text
    assert first.index("number 24") < first.index("number 23")
    assert "number 04" not in first
    assert 'rel="next" href="/?view=posts&amp;page=2"' in first
    second = requests.get(sandbox.url + "/?view=posts&page=2", timeout=5).text
    assert "number 04" in second
    assert 'http-equiv="refresh"' in first
    assert 'http-equiv="refresh"' not in second


def test_the_saved_page_stands_alone_and_says_what_it_leaves_out(sandbox):
    for number in range(205):
        sandbox.box.world.publish(Provider.GRAPH, "1", f"Post {number:03d}", post_id=f"1_{number}")
    page = requests.get(sandbox.url + "/outbox.html", timeout=5).text
    assert "The newest 200" in page
    assert "205 posts" in page
    assert "Post 005" in page
    assert "Post 004" not in page
    assert 'href="/' not in page
    assert "Content-Security-Policy" in page


def test_the_state_is_paged_and_counts_are_cheap(sandbox, sms):
    for number in range(5):
        sms.messages.create(to=f"+1555010000{number}", from_="+15550199999", body=str(number))
    assert [text["body"] for text in sandbox.state("texts", offset=1, limit=2)] == ["1", "2"]
    assert [text["body"] for text in sandbox.state("texts", to="+15550100003")] == ["3"]
    assert len(sandbox.state("requests", provider="twilio")) == 5
    counts = sandbox.state()
    assert (counts["texts"], counts["phones"], counts["requests"]["twilio"]) == (5, 5, 5)
    answer = requests.get(sandbox.url + "/state?section=secrets", timeout=5)
    assert (answer.status_code, "write one of counts" in answer.json()["error"]) == (400, True)


def test_no_credential_ever_shows(sandbox, x, graph, sms):
    sandbox.control("credentials", {"provider": "x", "dead": ["some-dead-token"]})
    x.create_tweet(text="Fire.")
    graph.put_object("1", "feed", message="Fire.")
    graph.get_connections("1", "feed")
    sms.messages.create(to="+15550100001", from_="+15550199999", body="Fire.")
    for section in ("counts", "posts", "texts", "mails", "requests"):
        shown = requests.get(sandbox.url + "/state", params={"section": section}, timeout=5).text
        for secret in ("777-secrettoken", "page-token", "auth-token", "some-dead-token", "Basic", "OAuth"):
            assert secret not in shown


def test_a_reset_forgets_everything_and_begins_the_script_anew(sandbox, x):
    sandbox.play({"name": "once", "provider": "x", "match": {"nth": 2}, "effect": "reset"})
    x.create_tweet(text="Fire.")
    sandbox.control("reset", {})
    assert sandbox.state()["posts"] == 0
    assert x.create_tweet(text="Fire.").data["id"]


def test_other_web_sites_cannot_reach_the_pages_or_the_controls(sandbox):
    rebound = requests.get(sandbox.url + "/state", headers={"Host": "evil.example"}, timeout=5)
    assert rebound.status_code == 403
    plain = requests.post(sandbox.url + "/control/reset", data="{}", timeout=5)
    assert plain.status_code == 415
    assert requests.get(sandbox.url + "/control/reset", timeout=5).status_code == 405


def test_unknown_paths_say_where_to_look(sandbox):
    answer = requests.get(sandbox.url + "/nothing", timeout=5)
    assert (answer.status_code, "/state" in answer.json()["error"]) == (404, True)
    assert (
        requests.get(sandbox.url + "/2/nothing", headers={"Authorization": "Bearer t"}, timeout=5).status_code
        == 404
    )


def test_ids_rise_and_are_never_given_twice_even_if_the_clock_stands_still():
    world = World(now=lambda: 1_800_000_000.0)
    ids = [int(world.next_id()) for _ in range(1000)]
    assert ids == sorted(set(ids))
    assert (ids[0] >> 22) + 1_288_834_974_657 == 1_800_000_000_000
