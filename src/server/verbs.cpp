#include "src/server/verbs.hpp"

#include "src/server/envelope.hpp"
#include "src/server/topics.hpp"
#include "src/server/transaction_json.hpp"

#include <weft/errors.hpp>

namespace weft {
inline namespace v0 {
namespace server_detail {

namespace asio = boost::asio;

// With subscribers instead of topics.
asio::awaitable<global_transaction> verbs::addressed(global_transaction t)
{
    if (!mentions_topics(t))
        co_return t;
    std::function<global_transaction(store&)> look_up = [t](store& s) { return with_subscribers(s, t); };
    co_return co_await manager_.with_store(std::move(look_up));
}

asio::awaitable<void> verbs::prepare(transaction_request r)
{
    auto t = co_await addressed(std::move(r.t));
    co_await manager_.prepare(t);
}

asio::awaitable<boost::json::object> verbs::prepare_workflow(transaction_request r)
{
    if (r.t.trans_type != "workflow")
        throw malformed("trans_type is \"" + r.t.trans_type + "\" and has to be workflow");
    auto const          now = co_await manager_.prepare_workflow(r.t);
    boost::json::object reply;
    reply["transaction"] = json_of(now, utc_offset_);
    reply["progresses"] = branches_of(now, utc_offset_);
    co_return reply;
}

asio::awaitable<void> verbs::submit(transaction_request r)
{
    if (r.t.trans_type == "workflow")
    {
        co_await finish_workflow(std::move(r));
        co_return;
    }
    // A client that says only that it waits leaves the options as they were prepared.
    if (!r.options_given)
        r.t.options.clear();
    auto       t = co_await addressed(std::move(r.t));
    auto const now = co_await manager_.submit(t, r.wait_result ? returns::when_tried : returns::when_durable);
    if (r.wait_result && now.status != status::succeed)
        throw failure(now.reason.empty() ? "wait result not return success" : now.reason);
}

asio::awaitable<void> verbs::finish_workflow(transaction_request r)
{
    auto const how = status_from(r.final_status);
    if (!how || !is_final(*how))
        throw malformed("req_extra.status is \"" + r.final_status + "\" and has to be succeed or failed");
    try
    {
        co_await manager_.finish_workflow(gid(std::move(r.t.gid)), *how, std::move(r.final_reason), std::move(r.final_result));
    }
    catch (misuse const& e)
    {
        if (e.which() != misuse::code::wrong_status)
            throw;
        // A 409 would tell the workflow's client that it has been rolled back.
        throw std::runtime_error(std::string("storage: NotFound: ") + e.what());
    }
}

asio::awaitable<void> verbs::abort(transaction_request r)
{
    if (r.t.trans_type == "workflow")
        co_return co_await cancel_workflow(std::move(r.t.gid));
    co_await manager_.abort(gid(std::move(r.t.gid)), std::move(r.t.trans_type), std::move(r.rollback_reason),
                            r.wait_result ? returns::when_tried : returns::when_durable);
}

// One of an engine that works on this store, too: that one rolls it back.
asio::awaitable<void> verbs::cancel_workflow(std::string gid)
{
    auto row = co_await manager_.query(weft::gid(gid));
    if (!row)
        throw misuse(misuse::code::unknown_gid, "no transaction with gid: " + gid + " found", gid);
    if (row->trans_type != "workflow")
        throw misuse(misuse::code::wrong_status, "it is of type '" + row->trans_type + "', cannot abort", gid);
    if (row->workflow.empty())
        throw misuse(misuse::code::wrong_status, "a workflow that runs elsewhere is cancelled there", gid);
    auto const answer = co_await manager_.engine().cancel(weft::gid(gid));
    if (answer == cancel_answer::accepted)
        co_return;
    row = co_await manager_.query(weft::gid(gid));
    if (row && row->status == status::aborting)
        co_return;  // it was asked for before
    throw misuse(misuse::code::wrong_status, "current status '" + std::string(row ? to_string(row->status) : "") + "', cannot abort", gid);
}

asio::awaitable<void> verbs::register_branch(branch_request r)
{
    co_await manager_.register_branch(gid(std::move(r.gid)), std::move(r.trans_type), std::move(r.ops));
}

}  // namespace server_detail
}  // namespace v0
}  // namespace weft
