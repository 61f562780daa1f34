// What a coordinator is asked, as dtm's clients ask it.
#include "src/remote/requests.hpp"

#include <weft/detail/codec.hpp>
#include <weft/detail/option.hpp>
#include <weft/errors.hpp>
#include <weft/http.hpp>
#include <weft/remote_coordinator.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/parse.hpp>

namespace weft {
inline namespace v0 {

namespace {

namespace asio = boost::asio;
using remote_detail::coordinator_reply;
using remote_detail::dtm_api;
using remote_detail::text_of;

boost::json::object body_of(global_transaction const& t)
{
    boost::json::object o;
    if (!t.options.empty())
    {
        auto given = detail::parse_json(t.options);
        if (!given.is_object())
            throw misuse(misuse::code::bad_value, "options is no JSON object", t.gid);
        o = std::move(given.get_object());
    }
    o["gid"] = t.gid;
    o["trans_type"] = t.trans_type;
    if (!t.protocol.empty())
        o["protocol"] = t.protocol;
    if (!t.query_prepared.empty())
        o["query_prepared"] = t.query_prepared;
    if (!t.custom_data.empty())
        o["custom_data"] = t.custom_data;
    if (t.steps.empty())
        return o;
    boost::json::array steps, payloads;
    for (auto const& s : t.steps)
    {
        if (!s.subscribers.empty())
            throw misuse(misuse::code::bad_value, "a coordinator elsewhere knows its topics' subscribers itself: add_topic", t.gid);
        boost::json::object step;
        step["action"] = s.action;
        if (t.trans_type == "saga")
            step["compensate"] = s.compensate;
        steps.emplace_back(std::move(step));
        payloads.emplace_back(s.payload);
    }
    o["steps"] = std::move(steps);
    o["payloads"] = std::move(payloads);
    return o;
}

boost::json::object body_of(std::string const& gid, std::string const& trans_type, std::vector<branch_op> const& ops)
{
    boost::json::object o;
    o["gid"] = gid;
    o["trans_type"] = trans_type;
    for (auto const& op : ops)
    {
        o["branch_id"] = op.branch_id;
        if (trans_type == "workflow")
        {
            o["op"] = op.op;
            o["status"] = to_string(op.status);
            o["sync"] = "1";
        }
        else if (trans_type == "xa")
            o["url"] = op.url;
        else
            o[op.op] = op.url;
        if (!op.data.empty())
            o["data"] = op.data;
    }
    return o;
}

transaction transaction_of(boost::json::object const& t, boost::json::array const& branches)
{
    transaction row;
    row.gid = text_of(t, "gid");
    row.trans_type = text_of(t, "trans_type");
    row.status = status_from(text_of(t, "status")).value_or(status::prepared);
    row.query_prepared = text_of(t, "query_prepared");
    row.protocol = text_of(t, "protocol");
    row.options = text_of(t, "options");
    row.custom_data = text_of(t, "custom_data");
    row.result = text_of(t, "result");
    row.reason = text_of(t, "rollback_reason");
    row.last_error = text_of(t, "last_error");
    row.paused_reason = text_of(t, "paused_reason");
    for (auto const& b : branches)
        if (auto const* const o = b.if_object())
        {
            auto& op = row.ops.emplace_back();
            op.branch_id = text_of(*o, "branch_id");
            op.op = text_of(*o, "op");
            op.url = text_of(*o, "url");
            op.data = remote_detail::from_base64(text_of(*o, "bin_data"));
            op.status = status_from(text_of(*o, "status")).value_or(status::prepared);
        }
    return row;
}

// A weftd says what is known of the write; what says nothing leaves it in doubt.
known written_says(coordinator_reply const& reply)
{
    auto const* const said = reply.body.if_contains("written");
    for (auto const what : {known::applied, known::not_written})
        if (said && said->is_string() && said->get_string() == to_string(what))
            return what;
    return known::in_doubt;
}

void check(coordinator_reply const& reply, std::string const& gid)
{
    if (reply.well())
        return;
    if (reply.status == 409)
        throw misuse(misuse::code::wrong_status, reply.message(), gid);
    if (reply.status >= 400 && reply.status < 500)
        throw misuse(misuse::code::bad_value, reply.message(), gid);
    throw store_error("the coordinator: " + reply.message(), written_says(reply));
}

asio::awaitable<std::optional<transaction>> query_at(dtm_api api, std::string gid)
{
    std::vector<std::pair<std::string, std::string>> query{{"gid", gid}};
    auto const                                       reply = co_await api.get("query", std::move(query));
    check(reply, gid);
    std::optional<transaction> found;
    if (auto const* const t = reply.object("transaction"))
        found = transaction_of(*t, reply.array("branches"));
    co_return found;
}

// How it stands now that what was asked for has been acknowledged.
asio::awaitable<std::optional<transaction>> applied_at(dtm_api api, std::string gid)
{
    std::string why;
    try
    {
        auto found = co_await query_at(std::move(api), gid);
        co_return found;
    }
    catch (std::runtime_error const& e)
    {
        why = e.what();
    }
    throw store_error("the coordinator has done it, and cannot be asked how it stands: " + why, known::applied);
}

// How it stands after what was asked for has been done, or (after waiting) may have been: 409 then only says that it is not done yet.
asio::awaitable<transaction> change_at(dtm_api api, std::string verb, boost::json::object body, std::string gid, bool waits, dtm_api quick)
{
    auto const reply = co_await api.post(std::move(verb), std::move(body));
    auto       found = std::optional<transaction>();
    // dtm says 409 of both: that it is not done yet, or was undone; and that another transaction, or this one earlier, has ended under the gid.
    bool const ended_before = reply.message().find("current status '") != std::string::npos;
    bool const unfinished = waits && !ended_before && (reply.status == 409 || reply.status == 425);
    if (!unfinished)
        check(reply, gid);
    if (reply.well())
        found = co_await applied_at(quick, gid);
    else
        found = co_await query_at(quick, gid);
    if (!found)
        throw misuse(misuse::code::unknown_gid, "the coordinator knows no such transaction", gid);
    // Its own success would have been 200; what is still prepared was refused for what it is.
    if (unfinished && (found->status == status::prepared || found->status == status::succeed))
        check(reply, gid);
    co_return std::move(*found);
}

asio::awaitable<std::monostate> register_at(dtm_api api, boost::json::object body, std::string gid)
{
    auto const reply = co_await api.post("registerBranch", std::move(body));
    check(reply, gid);
    co_return std::monostate();
}

class remote_coordinator final : public coordinator
{
public:
    remote_coordinator(asio::any_io_executor executor, std::string address, connection_options const& o)
        : executor_(std::move(executor))
        , quick_(address, o.transport, o.request_timeout)
        , patient_(std::move(address), o.transport, o.wait_timeout)
    { }

    std::string address() const override { return quick_.address(); }

private:
    void start_prepare(global_transaction t, done<transaction> answer) override
    {
        run(t.gid, std::move(answer), [&] { return change_at(quick_, "prepare", body_of(t), t.gid, false, quick_); });
    }
    void start_submit(global_transaction t, returns when, done<transaction> answer) override
    {
        bool const wait = when == returns::when_tried;
        run(t.gid, std::move(answer), [&] {
            auto body = body_of(t);
            if (wait)
                body["wait_result"] = true;
            return change_at(wait ? patient_ : quick_, "submit", std::move(body), t.gid, wait, quick_);
        });
    }
    void start_abort(std::string gid, std::string trans_type, std::string reason, returns when, done<transaction> answer) override
    {
        bool const wait = when == returns::when_tried;
        run(gid, std::move(answer), [&] {
            boost::json::object body;
            body["gid"] = gid;
            body["trans_type"] = trans_type;
            body["rollback_reason"] = reason;
            if (wait)
                body["wait_result"] = true;
            return change_at(wait ? patient_ : quick_, "abort", std::move(body), gid, wait, quick_);
        });
    }
    void start_register(std::string gid, std::string trans_type, std::vector<branch_op> ops, done<std::monostate> answer) override
    {
        run(gid, std::move(answer), [&] { return register_at(quick_, body_of(gid, trans_type, ops), gid); });
    }
    void start_query(std::string gid, done<std::optional<transaction>> answer) override
    {
        run(gid, std::move(answer), [&] { return query_at(quick_, gid); });
    }

    asio::any_io_executor executor() const override { return executor_; }

    // `begin` makes the coroutine, or throws what is wrong with what it was given.
    template <class T, class Begin>
    void run(std::string const& gid, done<T> answer, Begin begin)
    {
        try
        {
            if (auto const wrong = remote_detail::wrong_gid(gid); !wrong.empty())
                throw misuse(misuse::code::bad_gid, wrong);
            auto coroutine = begin();
            asio::co_spawn(executor_, std::move(coroutine), [answer = std::move(answer)](std::exception_ptr error, T value) mutable {
                tell(*answer, error, std::move(value));
            });
        }
        catch (...)
        {
            if (answer)
                answer->complete(std::current_exception(), {});
        }
    }

    template <class T>
    static void tell(detail::completion<T>& to, std::exception_ptr error, T value)
    {
        try
        {
            if (error)
                std::rethrow_exception(error);
        }
        catch (remote_detail::unreachable const& e)
        {
            error = std::make_exception_ptr(
                store_error(std::string("the coordinator cannot be asked: ") + e.what(), store_error::certainty::in_doubt));
        }
        catch (...)
        { }
        to.complete(error, std::move(value));
    }

    asio::any_io_executor executor_;
    dtm_api               quick_, patient_;
};

}  // namespace

std::unique_ptr<coordinator> connect(asio::any_io_executor executor, std::string address, connection_options options)
{
    detail::check_option("connection_options::request_timeout", options.request_timeout, 1);
    detail::check_option("connection_options::wait_timeout", options.wait_timeout, 1);
    options.request_timeout = detail::bounded_as(options.request_timeout);
    options.wait_timeout = detail::bounded_as(options.wait_timeout);
    if (!options.transport)
        options.transport = make_http_transport();
    return std::make_unique<remote_coordinator>(std::move(executor), std::move(address), options);
}

}  // namespace v0
}  // namespace weft
