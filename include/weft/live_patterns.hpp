/// \file
/// TCC and XA transactions as their client leads them: branches are called while they are registered, and the coordinator confirms or undoes
/// them all. Component `remote`. (In a workflow, `wf.tcc` and `wf.xa` do this, and survive a crash of the client; these do not: a client that dies
/// has its transaction undone after `timeout_to_fail`.)
///
///     boost::asio::awaitable<void> pay(weft::tcc& t, std::string bank, transfer what)
///     {
///         co_await t.branch(bank + "/out/try", bank + "/out/confirm", bank + "/out/cancel", what);
///         co_await t.branch(bank + "/in/try", bank + "/in/confirm", bank + "/in/cancel", what);
///     }
///
///     co_await weft::run_tcc(coordinator, transport, "pay-4711", &pay, bank, what);
#pragma once

#include <weft/coordinator.hpp>
#include <weft/detail/codec.hpp>
#include <weft/transport.hpp>

#include <boost/asio/awaitable.hpp>

#include <exception>
#include <functional>

namespace weft {
inline namespace v0 {

namespace detail {

class live_pattern
{
public:
    std::string const& gid() const noexcept { return gid_; }

protected:
    live_pattern(coordinator& to, std::shared_ptr<transport> through, std::string gid, char const* trans_type);

    std::string next_branch();

    /// Sends it; its reply's body. Errors: failure for 409; std::runtime_error for everything that is no success.
    boost::asio::awaitable<std::string> call(std::string url, std::string branch_id, char const* op, std::string payload,
                                             bool registers_itself);

    coordinator&               to_;
    std::shared_ptr<transport> through_;
    std::string                gid_;
    char const*                trans_type_;
    unsigned                   branches_ = 0;
};

boost::asio::awaitable<void> begin_live(coordinator& to, std::string gid, char const* trans_type);
boost::asio::awaitable<void> end_live(coordinator& to, std::string gid, char const* trans_type, std::exception_ptr error);

/// What the call that leads a transaction may be given: it is awaited.
template <class Body, class... Args>
constexpr void check_live()
{
    check_awaited_function<Body, boost::asio::use_awaitable_t<>>();
    (check_awaited_argument<Args, boost::asio::use_awaitable_t<>>(), ...);
}

template <class Pattern, class Body, class... Args>
boost::asio::awaitable<void> run_live(coordinator& to, std::shared_ptr<transport> through, std::string gid, char const* trans_type,
                                      Body body, Args... args)
{
    co_await begin_live(to, gid, trans_type);
    Pattern            pattern(to, std::move(through), gid);
    std::exception_ptr error;
    try
    {
        auto running = std::invoke(body, pattern, std::move(args)...);  // its arguments are made in a statement of their own
        co_await std::move(running);
    }
    catch (...)
    {
        error = std::current_exception();
    }
    co_await end_live(to, gid, trans_type, error);
}

}  // namespace detail

/// Handed to the body of `run_tcc`. Thread safety: one thread at a time.
class tcc : public detail::live_pattern
{
public:
    tcc(coordinator& to, std::shared_ptr<transport> through, std::string gid) : live_pattern(to, std::move(through), std::move(gid), "tcc")
    { }

    /// Registers a branch and then calls its try; returns the reply's body. All three get `payload`, as JSON.
    /// Errors: failure if the try says no; std::runtime_error if nobody knows; what the coordinator throws. Let them out: the transaction is undone.
    template <class T>
    boost::asio::awaitable<std::string> branch(std::string try_, std::string confirm, std::string cancel, T&& payload)
    {
        detail::check_awaited_argument<T, boost::asio::use_awaitable_t<>>();
        return registered(std::move(try_), std::move(confirm), std::move(cancel), detail::encode(payload));
    }

private:
    boost::asio::awaitable<std::string> registered(std::string try_, std::string confirm, std::string cancel, std::string payload);
};

/// Handed to the body of `run_xa`.
class xa_transaction : public detail::live_pattern
{
public:
    xa_transaction(coordinator& to, std::shared_ptr<transport> through, std::string gid)
        : live_pattern(to, std::move(through), std::move(gid), "xa")
    { }

    /// Calls a participant that registers itself, does its work in an XA transaction and prepares it, as dtm's do; returns the reply's body.
    /// Errors: as `tcc::branch`; misuse if the coordinator has no address that participants could register at.
    template <class T>
    boost::asio::awaitable<std::string> branch(std::string url, T&& payload)
    {
        detail::check_awaited_argument<T, boost::asio::use_awaitable_t<>>();
        return call(std::move(url), next_branch(), "action", detail::encode(payload), true);
    }
};

/// Prepares the transaction, awaits `body(tcc&, args...)`, and submits it if that returns; if it throws, aborts it and throws the same.
/// Durability: when this returns, all branches will be confirmed. Errors: what the body throws; what the coordinator throws: from submitting, and
/// the transaction is undone after `timeout_to_fail` unless the submission arrived: ask (`coordinator::query`).
/// Lifetimes: `to` outlives it; `body` is a function, its arguments are copied.
template <class Body, class... Args>
boost::asio::awaitable<void> run_tcc(coordinator& to, std::shared_ptr<transport> through, std::string gid, Body&& body, Args&&... args)
{
    detail::check_live<Body, Args...>();
    return detail::run_live<tcc, std::decay_t<Body>, std::decay_t<Args>...>(to, std::move(through), std::move(gid), "tcc",
                                                                            std::forward<Body>(body), std::forward<Args>(args)...);
}

/// The same with XA.
template <class Body, class... Args>
boost::asio::awaitable<void> run_xa(coordinator& to, std::shared_ptr<transport> through, std::string gid, Body&& body, Args&&... args)
{
    detail::check_live<Body, Args...>();
    return detail::run_live<xa_transaction, std::decay_t<Body>, std::decay_t<Args>...>(
        to, std::move(through), std::move(gid), "xa", std::forward<Body>(body), std::forward<Args>(args)...);
}

}  // namespace v0
}  // namespace weft
