/// \file
/// Transactions as data: dtm's sagas, TCCs, XA transactions, messages, and workflows that run elsewhere. What a server offers its clients, and
/// what a program may use that has its branches as addresses rather than as functions.
///
///     weft::engine engine{io, *store};
///     weft::transaction_manager manager{engine, {.caller = weft::make_http_caller()}};
///     weft::global_transaction pay;
///     pay.gid = "pay-4711";
///     pay.trans_type = "saga";
///     pay.steps = {{url + "/TransOut", url + "/TransOutRevert", body}, {url + "/TransIn", url + "/TransInRevert", body}};
///     auto const now = co_await manager.submit(pay, weft::returns::when_tried);  // now.status == succeed, failed, or still on its way
///
/// It runs on the engine: the same leases, the same fencing, the same recovery. One manager for each engine.
#pragma once

#include <weft/coordinator.hpp>
#include <weft/engine.hpp>
#include <weft/remote.hpp>

namespace weft {
inline namespace v0 {

struct manager_options
{
    /// How branches are called. Not null.
    std::shared_ptr<remote_caller> caller;

    // Unless the client of a transaction says otherwise

    std::chrono::seconds retry_interval{
        10};  ///< between two tries of what is not done yet; after errors twice as long each time, up to 10 minutes (callbacks: one)
    std::chrono::seconds request_timeout{3};  ///< of one call
    std::chrono::seconds timeout_to_fail{
        35};  ///< tcc, xa, msg: how long it may stay prepared before it is aborted, or its sender is asked; 0: for ever

    /// Called on the engine's strand when an attempt ended in an error, of a branch, a check-back or a callback: the transaction, the address that
    /// was called, what went wrong, and how often in a row that has happened. With a `retry_limit`, each call of an action counts.
    std::function<void(transaction const&, std::string const& url, std::string const& error, unsigned times)> on_branch_error;
};

/// The coordinator in this process. Thread safety: all members may be called from any thread, except the constructor.
/// Lifetimes: the engine outlives it. Durability, errors: as of `coordinator`, whose members it has.
class transaction_manager final : public coordinator
{
public:
    /// Before the engine runs. Errors: misuse if the engine has a manager already, or there is no caller.
    transaction_manager(weft::engine& engine, manager_options options);

    /// `prepare` for a workflow that runs elsewhere; what it has recorded so far comes back, whatever its status.
    template <class Transaction = global_transaction, class Token = boost::asio::use_awaitable_t<>>
    auto prepare_workflow(Transaction&& t, Token&& token = {})
    {
        detail::check_awaited_argument<Transaction, Token, transaction>();
        return initiate<transaction>(std::forward<Token>(token), &transaction_manager::start_prepare_workflow,
                                     global_transaction(std::forward<Transaction>(t)));
    }

    /// Ends it at once as failed, whatever has been done: no branch is called. For a person who knows.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto force_stop(gid id, Token&& token = {})
    {
        return initiate<transaction>(std::forward<Token>(token), &transaction_manager::start_force_stop, std::move(id).str());
    }

    /// A workflow that runs elsewhere has ended, as succeed or failed.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto finish_workflow(gid id, status how, std::string reason, std::string result, Token&& token = {})
    {
        return initiate<transaction>(std::forward<Token>(token), &transaction_manager::start_finish, std::move(id).str(), how,
                                     std::move(reason), std::move(result));
    }

    /// Makes an unfinished transaction due now, and lets it go on if it is paused. One that has ended stays as it is.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto make_due(gid id, Token&& token = {})
    {
        return initiate<std::monostate>(std::forward<Token>(token), &transaction_manager::start_make_due, std::move(id).str());
    }

    weft::engine& engine() const noexcept { return engine_; }

    /// Makes up to `limit` unfinished transactions due now that would be due more than `later_than` from now, and takes on what it can.
    /// Those that are paused stay so. Durability: they are due when this returns; another engine may take them on. Errors: store_error.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto make_due(std::chrono::milliseconds later_than, std::size_t limit, Token&& token = {})
    {
        return initiate<made_due>(std::forward<Token>(token), &transaction_manager::start_make_all_due, later_than, limit);
    }

    /// What the store offers, where its blocking calls run: `f(store&)`, its result, of type `R`. For queries and topics; `f` must not keep the
    /// store. Where the call is awaited, an `f` that holds values is a variable (docs/coroutines.md).
    template <class R, class F, class Token = boost::asio::use_awaitable_t<>>
    auto with_store(F&& f, Token&& token = {})
    {
        detail::check_awaited_function<F, Token, R>();
        if constexpr (detail::blocks<Token>)
            detail::refuse_to_block(executor());
        return boost::asio::async_initiate<Token, void(std::exception_ptr, R)>(
            [this](auto handler, std::function<R(weft::store&)> look) {
                auto shared = std::make_shared<std::optional<R>>();
                auto done = detail::make_completion<R, std::monostate>(std::move(handler), engine_.outer_executor(),
                                                                       [shared](std::monostate) { return std::move(**shared); });
                start_on_store([shared, look = std::move(look)](weft::store& s) { shared->emplace(look(s)); }, std::move(done));
            },
            token, std::function<R(weft::store&)>(std::forward<F>(f)));
    }
    template <class R, class Token = boost::asio::use_awaitable_t<>>
    auto with_store(std::function<R(weft::store&)> f, Token&& token = {})
    {
        return with_store<R, std::function<R(weft::store&)>>(std::move(f), std::forward<Token>(token));
    }

private:
    void start_prepare(global_transaction t, done<transaction> answer) override;
    void start_submit(global_transaction t, returns when, done<transaction> answer) override;
    void start_abort(std::string gid, std::string trans_type, std::string reason, returns when, done<transaction> answer) override;
    void start_register(std::string gid, std::string trans_type, std::vector<branch_op> ops, done<std::monostate> answer) override;
    void start_query(std::string gid, done<std::optional<transaction>> answer) override;
    void start_prepare_workflow(global_transaction t, done<transaction> answer);
    void start_force_stop(std::string gid, done<transaction> answer);
    void start_finish(std::string gid, status how, std::string reason, std::string result, done<transaction> answer);
    void start_make_due(std::string gid, done<std::monostate> answer);
    void start_make_all_due(std::chrono::milliseconds later_than, std::size_t limit, done<made_due> answer);
    void start_on_store(std::function<void(weft::store&)> f, done<std::monostate> answer);

    boost::asio::any_io_executor executor() const override { return engine_.outer_executor(); }

    weft::engine& engine_;
};

}  // namespace v0
}  // namespace weft
