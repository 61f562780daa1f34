#include "src/server/topics.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <functional>
#include <stdexcept>

namespace weft {
inline namespace v0 {
namespace server_detail {

namespace {

constexpr std::string_view scheme = "topic://";

// [{"url": …, "remark": …}]
struct topic_row
{
    boost::json::array subscribers;
    std::int64_t       version = 0;  // 0: it is not there

    auto find(std::string_view url)
    {
        return std::find_if(subscribers.begin(), subscribers.end(), [url](auto const& s) {
            auto const* const u = s.is_object() ? s.get_object().if_contains("url") : nullptr;
            return u && u->is_string() && u->get_string() == url;
        });
    }
};

topic_row read(store& s, std::string const& topic)
{
    topic_row  t;
    auto const rows = s.kv(topics_category, topic, 0, 1);
    if (rows.empty())
        return t;
    boost::system::error_code failed;
    auto                      value = boost::json::parse(rows.front().value, failed);
    if (failed || !(value.is_array() || value.is_null()))
        throw std::runtime_error("the row of topic \"" + topic + "\" holds no subscribers");
    if (value.is_array())
        t.subscribers = std::move(value.get_array());
    t.version = rows.front().version;
    return t;
}

// Others may change it at the same time: whoever comes second begins again.
void change(store& s, std::string const& topic, std::function<void(topic_row&)> const& how)
{
    for (int tries = 0; tries < 100; ++tries)
    {
        auto t = read(s, topic);
        how(t);
        if (s.put_kv(topics_category, topic, boost::json::serialize(t.subscribers), t.version))
            return;
    }
    throw std::runtime_error("topic \"" + topic + "\" is changed by too many at the same time");
}

}  // namespace

void subscribe(store& s, std::string const& topic, std::string const& url, std::string const& remark)
{
    if (topic.empty())
        throw std::runtime_error("empty topic");
    if (topic.size() > 128)
        throw std::runtime_error("a topic's name has at most 128 bytes");
    if (url.empty())
        throw std::runtime_error("empty url");
    change(s, topic, [&](topic_row& t) {
        if (t.find(url) != t.subscribers.end())
            throw std::runtime_error("this url exists");
        if (t.subscribers.size() >= 99)
            throw std::runtime_error("a topic has at most 99 subscribers");
        boost::json::object subscriber;
        subscriber["url"] = url;
        subscriber["remark"] = remark;
        t.subscribers.push_back(std::move(subscriber));
    });
}

void unsubscribe(store& s, std::string const& topic, std::string const& url)
{
    if (topic.empty())
        throw std::runtime_error("empty topic");
    change(s, topic, [&](topic_row& t) {
        if (t.version == 0)
            throw std::runtime_error("storage: NotFound: there is no topic \"" + topic + '"');
        auto const at = t.find(url);
        if (at == t.subscribers.end())
            throw std::runtime_error("no such an url");
        t.subscribers.erase(at);
    });
}

void remove_topic(store& s, std::string const& topic)
{
    if (topic.empty())
        throw std::runtime_error("empty topic");
    if (!s.remove_kv(topics_category, topic))
        throw std::runtime_error("storage: NotFound");
}

bool mentions_topics(global_transaction const& t)
{
    return t.trans_type == "msg" &&
           std::any_of(t.steps.begin(), t.steps.end(), [](auto const& step) { return step.action.starts_with(scheme); });
}

global_transaction with_subscribers(store& s, global_transaction t)
{
    for (auto& step : t.steps)
    {
        if (!step.action.starts_with(scheme))
            continue;
        auto const name = step.action.substr(scheme.size());
        auto const topic = read(s, name);
        for (auto const& subscriber : topic.subscribers)
            if (auto const* const url = subscriber.is_object() ? subscriber.get_object().if_contains("url") : nullptr;
                url && url->is_string())
                step.subscribers.emplace_back(url->get_string());
        if (step.subscribers.empty())
            throw std::runtime_error("topic not found: " + name);
    }
    return t;
}

}  // namespace server_detail
}  // namespace v0
}  // namespace weft
