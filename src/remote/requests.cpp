#include "src/remote/requests.hpp"

#include "src/http/request.hpp"

#include <weft/detail/codec.hpp>
#include <weft/detail/completion.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>

namespace weft {
inline namespace v0 {
namespace remote_detail {

namespace asio = boost::asio;

namespace {

class exchange final : public http_exchange
{
public:
    explicit exchange(std::unique_ptr<detail::completion<http_reply>> to) : to_(std::move(to)) { }
    void replied(http_reply r) noexcept override { to_->complete(nullptr, std::move(r)); }
    void failed(std::string why) noexcept override { to_->complete(std::make_exception_ptr(unreachable(why)), {}); }

private:
    std::unique_ptr<detail::completion<http_reply>> to_;
};

struct work
{
    std::vector<job> const& jobs;
    std::size_t             next = 0;
    std::exception_ptr      first_error;
};

asio::awaitable<void> work_off(work& w)
{
    while (w.next < w.jobs.size())
    {
        auto const& one = w.jobs[w.next++];
        try
        {
            co_await one();
        }
        catch (...)
        {
            if (!w.first_error)
                w.first_error = std::current_exception();
        }
    }
}

}  // namespace

using answered = void(std::exception_ptr, http_reply);

asio::awaitable<http_reply> reply_of(transport& through, http_request r)
{
    auto const executor = co_await asio::this_coro::executor;
    auto const begin = [&](auto handler) {
        auto e = std::make_shared<exchange>(detail::make_completion<http_reply, http_reply>(std::move(handler), executor, std::identity()));
        e->request = std::move(r);
        through.send(std::move(e));
    };
    co_return co_await asio::async_initiate<asio::use_awaitable_t<> const, answered>(begin, asio::use_awaitable);
}

std::string coordinator_reply::message() const
{
    auto const* const m = body.if_contains("message");
    auto const        status_text = "it answered " + std::to_string(status);
    return m && m->is_string() && !m->get_string().empty() ? status_text + ": " + std::string(m->get_string()) : status_text;
}

boost::json::object const* coordinator_reply::object(char const* name) const noexcept
{
    auto const* const found = body.if_contains(name);
    return found ? found->if_object() : nullptr;
}

boost::json::array const& coordinator_reply::array(char const* name) const noexcept
{
    static boost::json::array const none;
    auto const* const               found = body.if_contains(name);
    return found && found->is_array() ? found->get_array() : none;
}

std::string text_of(boost::json::object const& o, char const* name)
{
    auto const* const v = o.if_contains(name);
    return v && v->is_string() ? std::string(v->get_string()) : std::string();
}

std::string to_base64(std::string_view text)
{
    auto const* const first = reinterpret_cast<std::byte const*>(text.data());
    auto const        v = boost::json::value_from(bytes(first, first + text.size()));
    return std::string(v.get_string());
}

std::string from_base64(std::string_view text)
{
    auto const all = detail::decode<bytes>(boost::json::value(text));
    return std::string(reinterpret_cast<char const*>(all.data()), all.size());
}

std::string wrong_gid(std::string_view gid)
{
    if (gid.empty())
        return "a gid cannot be empty";
    if (gid.size() > 128)
        return "a gid has at most 128 bytes";
    if (!detail::is_utf8(gid))
        return "a gid has to be UTF-8";
    if (gid.find_first_of(std::string_view("\n\r;\0", 4)) != std::string_view::npos)
        return "a gid for a coordinator has no line ends, semicolons and NULs";
    return {};
}

dtm_api::dtm_api(std::string address, std::shared_ptr<transport> through, std::chrono::milliseconds timeout)
    : address_(std::move(address))
    , transport_(std::move(through))
    , timeout_(timeout)
{
    while (address_.ends_with('/'))
        address_.pop_back();
    detail::address(address_, {}, described_);
}

asio::awaitable<coordinator_reply> dtm_api::ask(http_request r) const
{
    r.timeout = timeout_;
    auto reply = co_await reply_of(*transport_, std::move(r));
    if (reply.status == 429 || (reply.status >= 502 && reply.status <= 504))
        throw unreachable("it answered " + std::to_string(reply.status));
    coordinator_reply         c;
    boost::system::error_code failed;
    c.status = reply.status;
    if (auto v = boost::json::parse(reply.body, failed); !failed && v.is_object())
        c.body = std::move(v.get_object());
    else if (c.well())
        throw unreachable("what answered 200 is no coordinator: it sent no JSON object");  // a proxy's page, or the half of a reply
    co_return c;
}

asio::awaitable<coordinator_reply> dtm_api::post(std::string verb, boost::json::object body) const
{
    http_request r;
    r.url = address_ + '/' + verb;
    r.headers.emplace_back("Content-Type", "application/json");
    r.body = boost::json::serialize(body);
    auto c = co_await ask(std::move(r));
    co_return c;
}

asio::awaitable<coordinator_reply> dtm_api::get(std::string verb, std::vector<std::pair<std::string, std::string>> query) const
{
    http_request r;
    std::string  described;
    r.method = "GET";
    r.url = detail::address(address_ + '/' + verb, query, described);
    auto c = co_await ask(std::move(r));
    co_return c;
}

void run_all(std::vector<job> const& jobs, std::size_t at_once)
{
    asio::io_context io(1);
    work             w{jobs, 0, nullptr};
    for (std::size_t i = 0; i < std::min(at_once, jobs.size()); ++i)
        asio::co_spawn(io, work_off(w), [](std::exception_ptr) {});
    io.run();
    if (w.first_error)
        std::rethrow_exception(w.first_error);
}

}  // namespace remote_detail
}  // namespace v0
}  // namespace weft
