/// \file
/// A message that is sent if and only if a local transaction commits: in place of a queue, an outbox, and whoever polls it. Component `sql`.
///
///     weft::msg shipped("ship-4711");
///     shipped.add(stock + "/deduct", order).check_back(self + "/was-meant");
///     co_await weft::do_and_submit(coordinator, shipped, orders, [](soci::session& sql) { sql << "insert into …"; });
///
/// And at the address for checking back: 200 if `weft::message_committed(orders, gid)`, else 409.
#pragma once

#include <weft/database.hpp>
#include <weft/detail/codec.hpp>
#include <weft/errors.hpp>
#include <weft/patterns.hpp>

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <variant>

namespace weft {
inline namespace v0 {

namespace detail {

/// Does `f` and leaves the message's mark in one local transaction of `db`; throws what `f` throws, without a statement's parameters.
/// Errors: store_error(in_doubt) if nobody knows whether it was committed.
boost::asio::awaitable<void> in_local_transaction(database& db, std::string gid, std::function<void(soci::session&)> f);

boost::asio::awaitable<bool> ask_whether_meant(database& db, std::string gid);

/// What becomes of a message whose local transaction has ended so.
boost::asio::awaitable<void> give_up_or_submit(coordinator& to, global_transaction t, database& db, std::exception_ptr error);

template <class F>
auto do_and_submit_message(coordinator& to, msg message, database& db, F f)
    -> boost::asio::awaitable<std::remove_cvref_t<std::invoke_result_t<F&, soci::session&>>>
{
    using R = std::remove_cvref_t<std::invoke_result_t<F&, soci::session&>>;
    using kept = std::conditional_t<std::is_void_v<R>, std::monostate, R>;
    auto const t = message.data();
    if (t.query_prepared.empty())
        throw misuse(misuse::code::bad_value, "a message for do_and_submit has an address for checking back", t.gid);
    co_await to.prepare(t);
    std::optional<kept>                       result;
    std::function<void(soci::session&)> const work = [&](soci::session& s) {
        if constexpr (std::is_void_v<R>)
        {
            f(s);
            result.emplace();
        }
        else
            result.emplace(f(s));
    };
    std::exception_ptr error;
    try
    {
        co_await in_local_transaction(db, t.gid, work);
    }
    catch (...)
    {
        error = std::current_exception();
    }
    if (error)
    {
        co_await give_up_or_submit(to, t, db, error);
        std::rethrow_exception(error);
    }
    co_await to.submit(t);
    if constexpr (!std::is_void_v<R>)
        co_return std::move(*result);
}

}  // namespace detail

/// Prepares `message`, runs `f(soci::session&)` in a local transaction of `db` and submits the message if that is committed; returns what `f`
/// returned. If `f` throws, all of it is rolled back and the message dropped. Whatever is lost on the way, the coordinator asks at the
/// address for checking back, and is told by the barrier's row.
///
/// Durability: when this returns, the local transaction is committed and the message will be delivered.
/// Errors: what `f` throws (nothing is sent, unless it is a store_error in doubt: then the barrier decides); misuse if the message has no address
/// for checking back, or was done before ("DUPLICATED"); what the coordinator throws: from preparing, and nothing has happened; from
/// submitting, and the message will be sent when the coordinator has checked back.
/// Lifetimes: `to` and `db` outlive it. Thread safety: `f` runs on a thread of the database.
template <class F>
auto do_and_submit(coordinator& to, msg message, database& db, F&& f)
{
    detail::check_awaited_function<F, boost::asio::use_awaitable_t<>>();
    return detail::do_and_submit_message<std::decay_t<F>>(to, std::move(message), db, std::forward<F>(f));
}

/// Whether the local transaction of a message was committed: what the coordinator asks. If it was not, it never will be. Waits.
/// Errors: std::runtime_error if the database cannot say: answer 500, and it is asked again.
bool message_committed(database& db, std::string const& gid);

}  // namespace v0
}  // namespace weft
