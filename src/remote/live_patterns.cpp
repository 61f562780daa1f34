#include "src/http/request.hpp"
#include "src/remote/requests.hpp"

#include <weft/errors.hpp>
#include <weft/http.hpp>
#include <weft/live_patterns.hpp>

namespace weft {
inline namespace v0 {
namespace detail {

namespace asio = boost::asio;

live_pattern::live_pattern(coordinator& to, std::shared_ptr<transport> through, std::string gid, char const* trans_type)
    : to_(to)
    , through_(std::move(through))
    , gid_(std::move(gid))
    , trans_type_(trans_type)
{
    if (!through_)
        throw misuse(misuse::code::wrong_call, "branches cannot be called without a transport", gid_);
}

std::string live_pattern::next_branch()
{
    if (++branches_ > 99)
        throw misuse(misuse::code::wrong_call, "a transaction has at most 99 branches", gid_);
    return (branches_ < 10 ? "0" : "") + std::to_string(branches_);
}

asio::awaitable<std::string> live_pattern::call(std::string url, std::string branch_id, char const* op, std::string payload,
                                                bool registers_itself)
{
    query_parameters parameters{{"gid", gid_}, {"trans_type", trans_type_}, {"branch_id", branch_id}, {"op", op}, {"dtm", to_.address()}};
    if (registers_itself)
    {
        if (to_.address().empty())
            throw misuse(misuse::code::wrong_call, "the coordinator has no address that participants could register at", gid_);
        parameters.emplace_back("phase2_url", url);
    }
    std::string  described;
    http_request r;
    r.url = detail::address(url, parameters, described);
    r.headers.emplace_back("Content-Type", "application/json");
    r.body = std::move(payload);
    auto reply = co_await remote_detail::reply_of(*through_, std::move(r));
    auto o = outcome_of(reply);
    if (o.what == outcome::kind::failure)
        throw failure::recorded(o.text, o.details, gid_, branch_id);
    if (o.what != outcome::kind::success)
        throw std::runtime_error(described + ": " + o.text);
    co_return std::move(reply.body);
}

asio::awaitable<void> begin_live(coordinator& to, std::string gid, char const* trans_type)
{
    global_transaction t;
    t.gid = std::move(gid);
    t.trans_type = trans_type;
    co_await to.prepare(t);
}

asio::awaitable<void> end_live(coordinator& to, std::string gid, char const* trans_type, std::exception_ptr error)
{
    if (!error)
    {
        global_transaction t;
        t.gid = gid;
        t.trans_type = trans_type;
        co_await to.submit(t);
        co_return;
    }
    std::string why = "its client threw";
    try
    {
        std::rethrow_exception(error);
    }
    catch (std::exception const& e)
    {
        why = e.what();
    }
    catch (...)
    { }
    try
    {
        co_await to.abort(weft::gid(gid), trans_type, why);
    }
    catch (std::exception const&)
    {
        // Nobody submits it any more, so it is undone in time.
    }
    std::rethrow_exception(error);
}

}  // namespace detail

boost::asio::awaitable<std::string> tcc::registered(std::string try_, std::string confirm, std::string cancel, std::string payload)
{
    auto const             id = next_branch();
    std::vector<branch_op> ops(2);
    ops[0].branch_id = ops[1].branch_id = id;
    ops[0].data = ops[1].data = payload;
    ops[0].op = "cancel";
    ops[0].url = std::move(cancel);
    ops[1].op = "confirm";
    ops[1].url = std::move(confirm);
    co_await to_.register_branch(weft::gid(gid_), trans_type_, std::move(ops));
    auto body = co_await call(std::move(try_), id, "try", std::move(payload), false);
    co_return body;
}

}  // namespace v0
}  // namespace weft
