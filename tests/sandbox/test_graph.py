import facebook
import pytest
import requests


def test_a_post_is_published_and_listed_newest_first(graph):
    first = graph.put_object("12345", "feed", message="Fire in Lab 3.")
    second = graph.put_object("12345", "feed", message="All clear.")
    listed = graph.get_connections("12345", "feed", fields="id,message,permalink_url")["data"]
    assert [post["id"] for post in listed] == [second["id"], first["id"]]
    assert listed[0]["permalink_url"].startswith("https://www.facebook.com/12345/posts/")
    assert "created_time" not in listed[0]


def test_the_same_text_twice_in_a_row_is_506(graph):
    graph.put_object("12345", "feed", message="Fire.")
    with pytest.raises(facebook.GraphAPIError) as caught:
        graph.put_object("12345", "feed", message="Fire.")
    assert caught.value.code == 506
    assert caught.value.result["error"]["is_transient"] is False
    graph.put_object("12345", "feed", message="Still fire.")
    assert graph.put_object("12345", "feed", message="Fire.")["id"]


def test_comments_hang_below_their_post(graph, sandbox):
    post = graph.put_object("12345", "feed", message="Fire.")["id"]
    comment = graph.put_comment(post, "Shuttle B does not run.")
    assert graph.get_connections(post, "comments")["data"][0]["id"] == comment["id"]
    assert len(graph.get_connections("12345", "feed")["data"]) == 1
    assert sandbox.state("posts")[1]["parent"] == post


def test_a_post_can_be_edited_in_both_ways_of_writing_its_path(graph):
    post = graph.put_object("12345", "feed", message="Fyre.")["id"]
    assert graph.put_object(post, "", message="Fire.") == {"success": True}
    assert graph.request(f"{graph.version}/{post}", post_args={"message": "Fire!"}) == {"success": True}
    assert graph.get_object(post)["message"] == "Fire!"


def test_a_deleted_post_is_gone(graph):
    post = graph.put_object("12345", "feed", message="Fire.")["id"]
    assert graph.delete_object(post) == {"success": True}
    with pytest.raises(facebook.GraphAPIError, match="does not exist"):
        graph.get_object(post)
    assert graph.get_connections("12345", "feed")["data"] == []


def test_a_long_feed_is_read_page_by_page(graph):
    for number in range(7):
        graph.put_object("12345", "feed", message=f"Update {number}")
    found = [post["message"] for post in graph.get_all_connections("12345", "feed", limit=3)]
    assert found == [f"Update {number}" for number in reversed(range(7))]


def test_a_dead_token_is_190_and_debug_token_says_so(graph, sandbox):
    assert graph.debug_access_token("page-token", "app", "secret")["data"]["is_valid"] is True
    sandbox.control("credentials", {"provider": "graph", "dead": "page-token"})
    with pytest.raises(facebook.GraphAPIError) as caught:
        graph.put_object("12345", "feed", message="Fire.")
    assert caught.value.code == 190
    assert graph.debug_access_token("page-token", "app", "secret")["data"]["is_valid"] is False


def test_a_token_is_needed_and_may_come_in_three_places(sandbox):
    url = sandbox.url + "/v26.0/12345"
    assert requests.get(url, timeout=5).json()["error"]["code"] == 104
    assert requests.get(url, params={"access_token": "t"}, timeout=5).ok
    answer = requests.get(url, headers={"Authorization": "Bearer t"}, timeout=5)
    assert answer.ok
    assert "call_count" in answer.headers["x-app-usage"]
    assert requests.post(url + "/feed", data={"access_token": "t", "message": "m"}, timeout=5).ok


def test_pages_and_versions_are_described(graph):
    page = graph.get_object("12345", fields="name,fan_count,is_published")
    assert set(page) == {"id", "name", "fan_count", "is_published"}
    assert graph.get_connections("me", "accounts")["data"][0]["access_token"]
    assert graph.get_version() == "26.0"
    graph.version = "v2.8"
    assert graph.get_version() == "21.0"
