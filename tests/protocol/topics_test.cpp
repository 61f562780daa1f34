// Rows P17 and O4: topics.
#include "tests/protocol/world.hpp"

namespace protocol {
namespace topics_test {

std::string subscription(std::string const& topic, std::string const& url, std::string const& remark = "")
{
    return "subscribe?topic=" + escaped(topic) + "&url=" + escaped(url) + "&remark=" + escaped(remark);
}

object to_topic(world& w, std::string const& gid, std::string const& topic)
{
    auto o = msg(w, gid, 1);
    o["steps"].as_array()[0].as_object()["action"] = "topic://" + topic;
    return o;
}

TEST_P(Protocol, P17_TopicMessage)
{
    EXPECT_EQ(w.get(subscription("news", w.at.url("/one"), "the first")).body, R"({"dtm_result":"SUCCESS"})");
    EXPECT_EQ(w.post("submit", with(to_topic(w, "g1", "news"), "wait_result", true)).status, 200u);
    EXPECT_THAT(w.at.seen(), ElementsAre("01 action /one")) << "a single one";
    w.get(subscription("news", w.at.url("/two")));
    EXPECT_EQ(w.post("submit", with(to_topic(w, "g2", "news"), "wait_result", true)).status, 200u);
    EXPECT_THAT(w.at.seen(), ElementsAre("01 action /one", "01-01 action /one", "01-02 action /two"));
    for (auto const& c : w.at.calls())
        EXPECT_EQ(c.body, R"({"step":0})");
}

TEST_P(Protocol, P17_SubscribersAreThoseWhenItWasPrepared)
{
    w.get(subscription("news", w.at.url("/one")));
    EXPECT_EQ(w.post("prepare", to_topic(w, "g1", "news")).status, 200u);
    w.get(subscription("news", w.at.url("/two")));
    EXPECT_EQ(w.post("submit", with(to_topic(w, "g1", "news"), "wait_result", true)).status, 200u);
    EXPECT_THAT(w.at.seen(), ElementsAre("01 action /one"));
}

TEST_P(Protocol, P17_ATopicThatNobodyHasSubscribedTo)
{
    for (auto const* verb : {"prepare", "submit"})
    {
        auto const r = w.post(verb, to_topic(w, "g1", "nothing"));
        EXPECT_EQ(r.status, 500u);
        EXPECT_THAT(r["message"], HasSubstr("topic not found"));
    }
    EXPECT_EQ(w.status("g1"), "");
}

TEST_P(Protocol, O4_Topics)
{
    auto const url = w.at.url("/one");
    EXPECT_EQ(w.get(subscription("news", url)).status, 200u);
    EXPECT_EQ(w.get(subscription("news", url)).status, 500u) << "twice";
    EXPECT_EQ(w.get(subscription("", url)).status, 500u);
    EXPECT_EQ(w.get(subscription("news", "")).status, 500u);
    EXPECT_EQ(w.get("unsubscribe?topic=news&url=other").status, 500u);
    EXPECT_EQ(w.get("unsubscribe?topic=other&url=" + escaped(url)).status, 500u);
    EXPECT_EQ(w.get("unsubscribe?url=" + escaped(url)).status, 500u);
    EXPECT_EQ(w.get("unsubscribe?topic=news&url=" + escaped(url)).status, 200u);
    EXPECT_EQ(w.post("submit", to_topic(w, "g1", "news")).status, 500u);
    auto const remove = [&](std::string const& name) { return send(w.port(), "DELETE", "/api/dtmsvr/topic/" + name); };
    EXPECT_EQ(remove("news").body, R"({"dtm_result":"SUCCESS"})");
    EXPECT_EQ(remove("news").body, R"({"message":"storage: NotFound"})");
}

// dtm's servers keep sending to what was deleted, and know nothing of what came after.
TEST_P(Protocol, O4_ATopicThatIsDeletedAndComesAgain)
{
    w.get(subscription("news", w.at.url("/old")));
    w.post("submit", with(to_topic(w, "g1", "news"), "wait_result", true));
    send(w.port(), "DELETE", "/api/dtmsvr/topic/news");
    EXPECT_EQ(w.post("submit", to_topic(w, "g2", "news")).status, 500u);
    w.get(subscription("news", w.at.url("/new")));
    EXPECT_EQ(w.post("submit", with(to_topic(w, "g3", "news"), "wait_result", true)).status, 200u);
    EXPECT_THAT(w.at.seen(), ElementsAre("01 action /old", "01 action /new"));
}

TEST_P(Protocol, O4_RowsOfKv)
{
    EXPECT_EQ(w.get("queryKV?cat=topics").body, R"({"kv":[]})");
    for (auto const* name : {"a", "b", "c"})
        w.get(subscription(name, w.at.url("/one"), "r\xc3\xa9mark"));
    auto const one = w.get("queryKV?cat=topics&key=b").json().at("kv").as_array();
    ASSERT_EQ(one.size(), 1u);
    EXPECT_EQ(text(one[0].at("k")), "\"b\"");
    EXPECT_EQ(text(one[0].at("cat")), "\"topics\"");
    EXPECT_EQ(text(one[0].at("version")), "1");
    auto const value = boost::json::parse(one[0].at("v").as_string()).as_array();
    EXPECT_EQ(text(value.at(0).at("url")), '"' + w.at.url("/one") + '"');
    EXPECT_EQ(text(value.at(0).at("remark")), "\"r\xc3\xa9mark\"");
    EXPECT_EQ(w.get("queryKV?cat=topics").json().at("kv").as_array().size(), 3u);
    auto const first = w.get("scanKV?cat=topics&limit=2").json();
    EXPECT_EQ(first.at("kv").as_array().size(), 2u);
    auto const position = std::string(first.at("next_position").as_string());
    EXPECT_NE(position, "");
    auto const second = w.get("scanKV?cat=topics&limit=2&position=" + position).json();
    ASSERT_EQ(second.at("kv").as_array().size(), 1u);
    EXPECT_EQ(text(second.at("kv").at(0).at("k")), "\"c\"");
    EXPECT_EQ(text(second.at("next_position")), "\"\"");
}

TEST_P(Protocol, O4_SubscribersAtTheSameTimeAreAllThere)
{
    std::vector<std::thread> all;
    for (int i = 0; i < 8; ++i)
        all.emplace_back([&, i] { EXPECT_EQ(w.get(subscription("news", "http://there/" + std::to_string(i))).status, 200u); });
    for (auto& t : all)
        t.join();
    auto const v = w.get("queryKV?cat=topics&key=news").json().at("kv").as_array().at(0).as_object();
    EXPECT_EQ(boost::json::parse(v.at("v").as_string()).as_array().size(), 8u);
    EXPECT_EQ(text(v.at("version")), "8");
}

}  // namespace topics_test
}  // namespace protocol
