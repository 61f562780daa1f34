/// \file
/// How `weft::sql(db)(f)` runs f: on the writer of its own database, or on the store's connection if that leads to the same one.
#pragma once

#include <weft/database.hpp>
#include <weft/detail/operation_traits.hpp>
#include <weft/store.hpp>

#include <memory>
#include <optional>
#include <tuple>

namespace weft {
inline namespace v0 {
namespace detail {

/// The outcome that the exception in flight stands for, without the statement's parameters, which SOCI puts into `what()`.
outcome outcome_of_current_sql_exception(bool& permanent) noexcept;

/// Throws the exception in flight again, likewise.
[[noreturn]] void rethrow_without_parameters();

/// A store's connection as the barrier sees it: the store's own, or one made into `made`. Throws misuse if the store has none of SOCI's.
soci_connection& connection_of(record_writer&, std::optional<soci_connection>& made);

template <class F>
constexpr void check_sql_function()
{
    using T = std::decay_t<F>;
    static_assert(!operation_adapter<T>, "weft: weft::sql(db)(f) takes a plain function, not another adapter");
    check_operation<F>();
}

/// A plain function `F` called with a session and `Args`.
template <class F, class... Args>
struct sql_function
{
    static constexpr bool takes_branch = std::is_invocable_v<F const&, branch const&, soci::session&, Args const&...>;
    static constexpr bool takes_session = std::is_invocable_v<F const&, soci::session&, Args const&...>;

    static constexpr auto returned()
    {
        if constexpr (takes_branch)
            return std::type_identity<std::remove_cvref_t<std::invoke_result_t<F const&, branch const&, soci::session&, Args const&...>>>{};
        else if constexpr (takes_session)
            return std::type_identity<std::remove_cvref_t<std::invoke_result_t<F const&, soci::session&, Args const&...>>>{};
        else
        {
            static_assert(
                takes_session,
                "weft: a function in weft::sql(db)(f) is called as f(soci::session&, arguments...), and this one cannot be (every "
                "operation of a branch gets the same arguments, as const&; a `weft::branch const&` in front of the session is "
                "optional)");
            return std::type_identity<void>{};
        }
    }

    static constexpr auto plain()
    {
        using R = typename decltype(returned())::type;
        static_assert(!awaited<R>::is_awaitable,
                      "weft: a function in weft::sql(db)(f) runs in one local transaction on the database's own thread: it returns its "
                      "result plainly, not as an awaitable");
        static_assert(
            !is_view<R> && !std::is_pointer_v<R>,
            "weft: the result of a function in weft::sql(db)(f) is kept: return a value such as std::string, not a view or a pointer");
        if constexpr (awaited<R>::is_awaitable || is_view<R> || std::is_pointer_v<R>)
            return std::type_identity<void>{};
        else
            return std::type_identity<R>{};
    }

    using result = typename decltype(plain())::type;

    static decltype(auto) call(F const& f, branch const& where, soci::session& session, Args const&... args)
    {
        if constexpr (takes_branch)
            return std::invoke(f, where, session, args...);
        else
            return std::invoke(f, session, args...);
    }
};

/// One send of one operation, on its way through the writer.
/// Lifetimes: the arguments are the branch's, valid until the call has been answered.
template <class F, class... Args>
class sql_operation_job final : public sql_job
{
public:
    sql_operation_job(operation_call call, F f, barrier_options const& options, Args const&... args)
        : call_(std::move(call))
        , f_(f)
        , options_(options)
        , args_(args...)
    { }

    bool run(soci_connection& connection) noexcept override
    {
        permanent_ = false;
        try
        {
            outcome_ = outcome::success(guarded(connection));
        }
        catch (...)
        {
            outcome_ = outcome_of_current_sql_exception(permanent_);
        }
        return outcome_.what == outcome::kind::success;
    }

    void done() noexcept override { answer_call(std::move(call_), std::move(outcome_), permanent_); }

    void lost(std::string const& why) noexcept override
    {
        // What the operation itself met explains more than what became of its group.
        if (outcome_.what == outcome::kind::error && !outcome_.text.empty())
            outcome_.text += " (" + why + ")";
        else
            outcome_ = outcome::error(why);
        std::move(call_).answer(std::move(outcome_));
    }

private:
    using function = sql_function<F, Args...>;
    using result = typename function::result;

    std::string guarded(soci_connection& connection)
    {
        barrier    once(call_.where(), options_);
        auto const entry = once.enter(connection);
        auto const business = [&]() -> decltype(auto) {
            return std::apply(
                [&](Args const&... a) -> decltype(auto) { return function::call(f_, call_.where(), connection.session(), a...); }, args_);
        };
        if constexpr (std::is_void_v<result>)
        {
            if (entry.first)
                business();
            return {};
        }
        else
        {
            if (!entry.first)
                return encode(once.template result<result>(entry));
            result const r = business();
            std::string  text;
            try
            {
                text = encode(r);
            }
            catch (std::exception const& e)
            {
                permanent_ = true;
                throw std::runtime_error(std::string("its result cannot be recorded: ") + e.what());
            }
            once.record(connection, text);
            return text;
        }
    }

    operation_call             call_;
    F                          f_;
    barrier_options const&     options_;
    std::tuple<Args const&...> args_;
    outcome                    outcome_;
    bool                       permanent_ = false;
};

template <class F>
class sql_operation
{
public:
    using weft_operation = void;
    template <class... Args>
    using result = typename sql_function<F, Args...>::result;

    sql_operation(weft::database& db, F f) noexcept : db_(&db), f_(f) { }

    participant_database* database() const noexcept { return db_; }
    void const*           service() const noexcept { return db_; }

    template <class... Args>
    void start(operation_call call, Args const&... args) const
    {
        db_->submit(std::make_unique<sql_operation_job<F, Args...>>(std::move(call), f_, db_->barrier(), args...));
    }

    /// Business and barrier on the store's connection; the caller adds the journal's entry, or rolls all of it back.
    template <class... Args>
    result<Args...> run_local(record_writer& writer, branch const& where, Args const&... args) const
    {
        using R = result<Args...>;
        try
        {
            std::optional<soci_connection> made;
            auto&                          connection = connection_of(writer, made);
            barrier                        once(where, db_->barrier());
            auto const                     entry = once.enter(connection);
            if constexpr (std::is_void_v<R>)
            {
                if (entry.first)
                    sql_function<F, Args...>::call(f_, where, connection.session(), args...);
            }
            else
            {
                if (!entry.first)
                    return once.template result<R>(entry);
                R           r = sql_function<F, Args...>::call(f_, where, connection.session(), args...);
                std::string text;
                try
                {
                    text = encode(r);
                }
                catch (std::exception const&)
                {
                    return r;  // the caller finds that it cannot be recorded, and rolls back
                }
                once.record(connection, text);
                return r;
            }
        }
        catch (...)
        {
            rethrow_without_parameters();
        }
    }

private:
    weft::database* db_;
    F               f_;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
