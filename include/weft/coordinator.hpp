/// \file
/// Whoever coordinates transactions that are data: the `transaction_manager` of this process, or a server elsewhere
/// (`connect` in <weft/remote_coordinator.hpp>). <weft/patterns.hpp> has what makes such transactions.
#pragma once

#include <weft/detail/completion.hpp>
#include <weft/gid.hpp>
#include <weft/store.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {
inline namespace v0 {

/// When a coordinator answers what it is told to do.
enum class returns : std::uint8_t
{
    when_durable,  ///< it will be done
    when_tried     ///< its first attempt has ended: it is final, or its `last_error` says what it waits for
};

/// A transaction as its client hands it over.
struct global_transaction
{
    struct step
    {
        std::string action;      ///< address; empty: nothing to do
        std::string compensate;  ///< saga
        std::string payload;     ///< what is sent to both

        /// msg: in place of `action`, whoever has subscribed to a topic: branches "01-01", "01-02", …; only one is "01".
        std::vector<std::string> subscribers{};
    };

    std::string       gid;
    std::string       trans_type;      ///< "saga", "tcc", "xa", "msg", "workflow"
    std::vector<step> steps;           ///< saga, msg
    std::string       query_prepared;  ///< msg: whom to ask whether it was meant; workflow: where to call it back
    std::string       protocol;        ///< empty: http
    std::string
        options;  ///< JSON object: retry_interval, request_timeout, timeout_to_fail (seconds), retry_limit, branch_headers, concurrent
    std::string custom_data;  ///< saga: concurrent, orders; msg: delay; workflow: name, data
};

/// Thread safety: all members may be called from any thread. Every member takes any Asio completion token last (default: `use_awaitable`); one that
/// is an lvalue is copied. Where a call is awaited, the transaction that it is given is a variable, and is copied (docs/coroutines.md).
/// Durability: what a member changes is durable when it returns.
/// Errors, of all: misuse (bad_gid, bad_value, unknown_gid, wrong_status), unfinished(stopped), store_error; of one elsewhere, which says no
/// more than a status and a text: misuse (wrong_status) for 409, misuse (bad_value) for the other 4xx, and store_error for the rest.
/// `unfinished` and `store_error` say what is known of what was asked for: after `not_written` nothing of it will ever be done, after `in_doubt`
/// ask again with the same gid. (A coordinator elsewhere says so if it is weft's; what another one answers leaves it in doubt.)
class coordinator
{
public:
    virtual ~coordinator() = default;
    coordinator() = default;
    coordinator(coordinator const&) = delete;
    coordinator& operator=(coordinator const&) = delete;

    /// Creates it, prepared. It may be there already, if it is still prepared.
    template <class Transaction = global_transaction, class Token = boost::asio::use_awaitable_t<>>
    auto prepare(Transaction&& t, Token&& token = {})
    {
        detail::check_awaited_argument<Transaction, Token, transaction>();
        return initiate<transaction>(std::forward<Token>(token), &coordinator::start_prepare,
                                     global_transaction(std::forward<Transaction>(t)));
    }

    /// `submit(t [, when] [, token])`: creates it, or goes on with what was prepared. Returns it as it stands
    /// then. Submitting again while it is on its way changes nothing.
    /// Durability: it is durable, and will end, when this returns.
    template <class Transaction = global_transaction, class Token = boost::asio::use_awaitable_t<>>
    auto submit(Transaction&& t, returns when, Token&& token = {})
    {
        detail::check_awaited_argument<Transaction, Token, transaction>();
        return initiate<transaction>(std::forward<Token>(token), &coordinator::start_submit,
                                     global_transaction(std::forward<Transaction>(t)), when);
    }
    template <class Transaction = global_transaction, class Token = boost::asio::use_awaitable_t<>>
    requires(!std::is_same_v<std::remove_cvref_t<Token>, returns>) auto submit(Transaction&& t, Token&& token = {})
    {
        return submit(std::forward<Transaction>(t), returns::when_durable, std::forward<Token>(token));
    }

    /// `abort(gid, trans_type, reason [, when] [, token])`: rolls back what is prepared (or is rolling back
    /// already): tcc, xa, msg. `trans_type`: as its client believes it to be. It answers when tried, too, if its
    /// options say wait_result.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto abort(gid id, std::string trans_type, std::string reason, returns when, Token&& token = {})
    {
        return initiate<transaction>(std::forward<Token>(token), &coordinator::start_abort, std::move(id).str(), std::move(trans_type),
                                     std::move(reason), when);
    }
    template <class Token = boost::asio::use_awaitable_t<>>
    requires(!std::is_same_v<std::remove_cvref_t<Token>, returns>) auto abort(gid id, std::string trans_type, std::string reason,
                                                                              Token&& token = {})
    {
        return abort(std::move(id), std::move(trans_type), std::move(reason), returns::when_durable, std::forward<Token>(token));
    }

    /// Adds operations to a prepared transaction of this type. The same ones again are well; others under the same names are misuse(bad_value).
    template <class Token = boost::asio::use_awaitable_t<>>
    auto register_branch(gid id, std::string trans_type, std::vector<branch_op> ops, Token&& token = {})
    {
        return initiate<std::monostate>(std::forward<Token>(token), &coordinator::start_register, std::move(id).str(),
                                        std::move(trans_type), std::move(ops));
    }

    /// The transaction with its operations, or nothing.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto query(gid id, Token&& token = {})
    {
        return initiate<std::optional<transaction>>(std::forward<Token>(token), &coordinator::start_query, std::move(id).str());
    }

    /// Where participants reach it, for those that register branches themselves; empty: they cannot.
    virtual std::string address() const { return {}; }

protected:
    template <class T>
    using done = std::unique_ptr<detail::completion<T>>;

    virtual void start_prepare(global_transaction t, done<transaction> answer) = 0;
    virtual void start_submit(global_transaction t, returns when, done<transaction> answer) = 0;
    virtual void start_abort(std::string gid, std::string trans_type, std::string reason, returns when, done<transaction> answer) = 0;
    virtual void start_register(std::string gid, std::string trans_type, std::vector<branch_op> ops, done<std::monostate> answer) = 0;
    virtual void start_query(std::string gid, done<std::optional<transaction>> answer) = 0;

    /// Of handlers that have none of their own.
    virtual boost::asio::any_io_executor executor() const = 0;

    template <class T, class Self, class Token, class... Params, class... Args>
    auto initiate(Token&& token, void (Self::*start)(Params...), Args... args)
    {
        if constexpr (detail::blocks<Token>)
            detail::refuse_to_block(executor());
        return boost::asio::async_initiate<Token, void(std::exception_ptr, T)>(
            [this, start](auto handler, Args... a) {
                (static_cast<Self*>(this)->*start)(std::move(a)...,
                                                   detail::make_completion<T, T>(std::move(handler), executor(), [](T t) { return t; }));
            },
            token, std::move(args)...);
    }
};

}  // namespace v0
}  // namespace weft
