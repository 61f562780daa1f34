/// \file XA branches: work in a real prepared transaction of PostgreSQL, MariaDB or MySQL, committed or
/// rolled back with the workflow. <weft/sql.hpp> includes this.
///
///     std::int64_t charge(soci::session& sql, order const& o);       // throws weft::failure to say no
///
///     weft::database accounts("postgres://shop:secret@db/accounts"); // outlives the engine
///     engine.add(accounts);
///     …
///     auto cents = co_await wf.xa("charge", our.accounts, &charge, o);
///
/// While a branch is prepared its rows stay locked and its effects unseen, until the whole workflow commits
/// or rolls back. What a crash leaves behind is finished by the next attempt, or found by the engine's sweep;
/// nothing of another store's is ever touched. A session that says nothing for 30 s between two statements of
/// a branch is ended by the server, which undoes it.
///
/// PostgreSQL: needs `max_prepared_transactions` above 0, as many as branches may be prepared at once. MySQL
/// 8: the user needs XA_RECOVER_ADMIN. Durability: what is prepared survives the server.
#pragma once

#include <weft/barrier.hpp>
#include <weft/database.hpp>
#include <weft/detail/sql_operation.hpp>
#include <weft/sql.hpp>

#include <memory>
#include <tuple>
#include <utility>

namespace weft {
inline namespace v0 {

namespace detail {

/// What an XA branch does between start and prepare.
class xa_business
{
public:
    virtual ~xa_business() = default;
    virtual outcome run(branch const& where, soci::session&, bool& permanent) noexcept = 0;
};

template <class F, class... Args>
class xa_work final : public xa_business
{
public:
    xa_work(F f, Args const&... args) : f_(f), args_(args...) { }

    outcome run(branch const& where, soci::session& session, bool& permanent) noexcept override
    {
        using function = sql_function<F, Args...>;
        try
        {
            auto const business = [&]() -> decltype(auto) {
                return std::apply([&](Args const&... a) -> decltype(auto) { return function::call(f_, where, session, a...); }, args_);
            };
            if constexpr (std::is_void_v<typename function::result>)
            {
                business();
                return outcome::success({});
            }
            else
            {
                typename function::result const r = business();
                permanent = true;  // what does not convert now never will
                auto text = encode(r);
                permanent = false;
                return outcome::success(std::move(text));
            }
        }
        catch (...)
        {
            return outcome_of_current_sql_exception(permanent);
        }
    }

private:
    F                          f_;
    std::tuple<Args const&...> args_;
};

template <class F>
class xa_action
{
public:
    using weft_operation = void;
    template <class... Args>
    using result = typename sql_function<F, Args...>::result;

    xa_action(database& db, F f) noexcept : db_(&db), f_(f) { }

    template <class... Args>
    void start(operation_call call, Args const&... args) const
    {
        db_->submit(std::move(call), std::make_unique<xa_work<F, Args...>>(f_, args...));
    }

    void const* service() const noexcept { return db_; }

private:
    database* db_;
    F         f_;
};

/// Commit or rollback: the call says which.
class xa_finish
{
public:
    using weft_operation = void;
    template <class... Args>
    using result = void;

    explicit xa_finish(database& db) noexcept : db_(&db) { }

    template <class... Args>
    void start(operation_call call, Args const&...) const
    {
        db_->submit(std::move(call), nullptr);
    }

    void const* service() const noexcept { return db_; }

private:
    database* db_;
};

}  // namespace detail

template <class F>
detail::xa_action<F> database::xa_action(F f)
{
    detail::check_sql_function<F>();
    return detail::xa_action<F>(*this, f);
}
inline detail::xa_finish database::xa_commit() { return detail::xa_finish(*this); }
inline detail::xa_finish database::xa_rollback() { return detail::xa_finish(*this); }

}  // namespace v0
}  // namespace weft
