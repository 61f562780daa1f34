/// \file
/// XA branches: work in a real prepared transaction of PostgreSQL, MariaDB or MySQL, committed or rolled back with the workflow.
///
///     std::int64_t charge(soci::session& sql, order o);               // one local transaction; throws weft::failure to say no
///
///     weft::xa_resource accounts("postgres://shop:secret@db/accounts");  // outlives the engine
///     engine.add(accounts);
///     …
///     auto cents = co_await wf.xa("charge", our.accounts, &charge, o);
#pragma once

#include <weft/barrier.hpp>
#include <weft/detail/sql_operation.hpp>
#include <weft/sql.hpp>
#include <weft/xa_participant.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>

namespace weft {
inline namespace v0 {

struct xa_options
{
    /// How many actions run at the same time, each on a session and thread of its own; half as many more, at least two, are for commits
    /// and rollbacks, which must never wait for an action. `?connections=` in the URL goes before this.
    std::size_t connections = 8;

    /// How long to wait for a row that another transaction has locked. `?lock_timeout=` goes before this.
    std::chrono::milliseconds lock_timeout{10'000};

    weft::barrier_options barrier{};
};

namespace detail {

/// What an XA branch does between start and prepare.
class xa_business
{
public:
    virtual ~xa_business() = default;
    virtual outcome run(branch const& where, soci::session&, bool& permanent) noexcept = 0;
};

template <class F>
class xa_action;
class xa_finish;

}  // namespace detail

/// A database in which branches of workflows are XA transactions.
///
/// While a branch is prepared its rows stay locked and its effects unseen, until the whole workflow commits or rolls back. What a crash
/// leaves behind is finished by the next attempt, or found by the engine's sweep; nothing of another store's is ever touched. A session
/// that says nothing for 30 s between two statements of a branch is ended by the server, which undoes it.
///
/// PostgreSQL: needs `max_prepared_transactions` above 0, as many as branches may be prepared at once. MySQL 8: the user needs
/// XA_RECOVER_ADMIN. The barrier's table is made there if it is missing, by the first operation: until then nothing is connected, so a
/// process may start while the server is down, and a body that takes an `xa_resource&` can be tested without one. See `connect`.
///
/// Thread safety: any thread. Lifetimes: outlives every engine that it was added to. Durability: what is prepared survives the server.
class xa_resource final : public xa_participant
{
public:
    /// The URLs of weft::database, but for sqlite://, which has no prepared transactions.
    /// Errors: misuse.
    explicit xa_resource(std::string_view url, xa_options = {});
    ~xa_resource() override;
    xa_resource(xa_resource const&) = delete;
    xa_resource& operator=(xa_resource const&) = delete;

    /// Connects now, for those who want to hear at once what is wrong; does nothing where that has been done. Waits.
    /// Errors: std::runtime_error naming the server and what is wrong, with the setting to change.
    void connect();

    // What wf.xa asks for.
    template <class F>
    auto action(F f)
    {
        detail::check_sql_function<F>();
        return detail::xa_action<F>(*this, f);
    }
    detail::xa_finish commit();
    detail::xa_finish rollback();

    void                         attach(std::string const& store_id) override;
    std::vector<prepared_branch> prepared() override;
    void                         roll_back(prepared_branch const&) override;
    void                         interrupt() noexcept override;
    std::string                  describe() const override;

    /// For adapters: performs the operation that the call names; `business` for an action only.
    void submit(operation_call call, std::unique_ptr<detail::xa_business> business);

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

namespace detail {

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

    xa_action(xa_resource& r, F f) noexcept : resource_(&r), f_(f) { }

    template <class... Args>
    void start(operation_call call, Args const&... args) const
    {
        resource_->submit(std::move(call), std::make_unique<xa_work<F, Args...>>(f_, args...));
    }

    void const* service() const noexcept { return resource_; }

private:
    xa_resource* resource_;
    F            f_;
};

/// Commit or rollback: the call says which.
class xa_finish
{
public:
    using weft_operation = void;
    template <class... Args>
    using result = void;

    explicit xa_finish(xa_resource& r) noexcept : resource_(&r) { }

    template <class... Args>
    void start(operation_call call, Args const&...) const
    {
        resource_->submit(std::move(call), nullptr);
    }

    void const* service() const noexcept { return resource_; }

private:
    xa_resource* resource_;
};

}  // namespace detail

inline detail::xa_finish xa_resource::commit() { return detail::xa_finish(*this); }
inline detail::xa_finish xa_resource::rollback() { return detail::xa_finish(*this); }

}  // namespace v0
}  // namespace weft
