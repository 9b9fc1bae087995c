import pytest
import requests
import tweepy

from alerting.sandbox.weight import weigh


def test_a_post_is_created_and_found_on_its_timeline(x):
    created = x.create_tweet(text="Fire in Lab 3. Leave now.")
    found = x.get_users_tweets(777, user_auth=True, tweet_fields=["created_at"])
    assert [str(post.id) for post in found.data] == [created.data["id"]]
    assert found.data[0].text == "Fire in Lab 3. Leave now."
    assert found.data[0].created_at.tzinfo is not None


def test_the_same_text_twice_is_refused_as_a_duplicate(x):
    x.create_tweet(text="Leave now.")
    with pytest.raises(tweepy.Forbidden) as caught:
        x.create_tweet(text="Leave now.")
    assert caught.value.api_messages == ["You are not allowed to create a Tweet with duplicate content."]
    assert caught.value.response.headers["x-rate-limit-limit"] == "100"


def test_a_deleted_text_may_be_said_again(x):
    first = x.create_tweet(text="Leave now.")
    assert x.delete_tweet(first.data["id"]).data == {"deleted": True}
    assert x.create_tweet(text="Leave now.").data["id"] != first.data["id"]


def test_the_timeline_can_be_asked_for_what_came_since(x):
    ids = [x.create_tweet(text=f"Update {number}").data["id"] for number in range(4)]
    found = x.get_users_tweets(777, user_auth=True, since_id=ids[1])
    assert [str(post.id) for post in found.data] == [ids[3], ids[2]]
    assert x.get_users_tweets(777, user_auth=True, start_time="2100-01-01T00:00:00Z").data is None
    assert x.get_users_tweets(778, user_auth=True).data is None


def test_a_reply_to_ones_own_post_makes_a_thread(x, sandbox):
    first = x.create_tweet(text="Fire.").data["id"]
    x.create_tweet(text="Update.", in_reply_to_tweet_id=first)
    assert [post["parent"] for post in sandbox.state("posts")] == [None, first]


def test_replies_can_be_switched_off_as_on_a_self_serve_plan(x, sandbox):
    first = x.create_tweet(text="Fire.").data["id"]
    sandbox.play(switches={"x_replies": "none"})
    with pytest.raises(tweepy.Forbidden, match="not been mentioned or otherwise engaged"):
        x.create_tweet(text="Update.", in_reply_to_tweet_id=first)


def test_a_reply_to_somebody_who_mentioned_us_is_allowed(x, sandbox):
    mention = sandbox.control("mentions", {"account": "777", "text": "@campus is it safe?"}).json()["id"]
    assert [str(post.id) for post in x.get_users_mentions(777, user_auth=True).data] == [mention]
    assert x.create_tweet(text="Yes.", in_reply_to_tweet_id=mention).data["id"]


def test_without_credits_everything_answers_402(x, sandbox):
    sandbox.play(switches={"x_credits": False})
    with pytest.raises(tweepy.HTTPException) as caught:
        x.create_tweet(text="Fire.")
    assert caught.value.response.status_code == 402
    assert caught.value.response.json()["title"] == "CreditsDepleted"
    assert sandbox.state()["posts"] == 0


def test_a_request_without_a_token_is_unauthorized(sandbox):
    answer = requests.post(sandbox.url + "/2/tweets", json={"text": "Fire"}, timeout=5)
    assert (answer.status_code, answer.json()["title"]) == (401, "Unauthorized")
    assert "x-rate-limit-reset" in answer.headers


def test_a_dead_token_is_unauthorized_until_it_is_revived(x, sandbox):
    sandbox.control("credentials", {"provider": "x", "dead": ["777-secrettoken"]})
    with pytest.raises(tweepy.Unauthorized):
        x.create_tweet(text="Fire.")
    sandbox.control("credentials", {"provider": "x", "alive": True})
    assert x.create_tweet(text="Fire.").data["id"]


def test_past_the_window_the_limit_is_429_with_its_reset(x, sandbox):
    sandbox.play(switches={"x_limits": True})
    for number in range(50):
        x.delete_tweet(str(number + 1))
    with pytest.raises(tweepy.TooManyRequests) as caught:
        x.delete_tweet("99")
    assert caught.value.response.headers["x-rate-limit-remaining"] == "0"
    assert caught.value.reset_time > 1_700_000_000


def test_accounts_can_be_looked_up_by_the_name_they_were_given(x, sandbox):
    sandbox.control("accounts", {"provider": "x", "id": "777", "username": "stateu", "name": "State U"})
    x.create_tweet(text="Fire.")
    assert x.get_me().data.username == "stateu"
    found = x.get_users(usernames=["StateU", "nobody"], user_auth=True)
    assert [user.name for user in found.data] == ["State U"]
    assert found.errors[0]["value"] == "nobody"


@pytest.mark.parametrize("text", ["x" * 281, "火" * 141, "🚨" * 141, "", "   "])
def test_a_text_too_long_or_empty_is_a_bad_request(x, sandbox, text):
    with pytest.raises(tweepy.BadRequest):
        x.create_tweet(text=text or " ")
    assert sandbox.state()["posts"] == 0


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("abc", 3),
        ("火", 2),
        ("“—”", 3),
        ("…", 2),
        ("👨‍👩‍👧‍👦", 2),
        ("👍🏽", 2),
        ("🇺🇸", 2),
        ("1️⃣", 2),
        ("see https://alert.example.edu/a/very/long/path?with=query#and-more", 27),
        ("see alert.example.edu now", 31),
        ("e\u0301", 1),
    ],
)
def test_weights_follow_the_published_rules(text, weight):
    assert weigh(text) == weight
