/// \file
/// How plain functions become operations, and what is refused as one.
#pragma once

#include <weft/detail/codec.hpp>
#include <weft/errors.hpp>
#include <weft/operation.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>

#include <functional>
#include <span>
#include <string_view>
#include <type_traits>

namespace weft {
inline namespace v0 {
namespace detail {

template <class T>
struct awaited
{
    static constexpr bool is_awaitable = false;
    using type = T;
};
template <class T, class Executor>
struct awaited<boost::asio::awaitable<T, Executor>>
{
    static constexpr bool is_awaitable = true;
    using type = T;
};

template <class F>
inline constexpr bool is_function_pointer = std::is_pointer_v<F>&& std::is_function_v<std::remove_pointer_t<F>>;

/// A function pointer, a member function pointer, or a function object with nothing in it.
template <class F>
inline constexpr bool is_plain_function = is_function_pointer<F> || std::is_member_function_pointer_v<F> ||
                                          (std::is_class_v<F> && std::is_empty_v<F>);

template <class T>
inline constexpr bool is_reference_wrapper = false;
template <class T>
inline constexpr bool is_reference_wrapper<std::reference_wrapper<T>> = true;
template <class T>
inline constexpr bool is_view = std::is_same_v<T, std::string_view>;
template <class T, std::size_t N>
inline constexpr bool is_view<std::span<T, N>> = true;

/// What may be an argument: a value that can be kept, sent and compared. `A` is the forwarding reference's type.
template <class A>
constexpr void check_argument()
{
    using T = std::decay_t<A>;
    static_assert(!is_reference_wrapper<T>,
                  "weft: an argument is copied into the branch, so it cannot be a reference: what is not payload rides in an "
                  "adapter, weft::with(service, &function)");
    static_assert(!std::is_pointer_v<T>,
                  "weft: an argument is copied into the branch, so it cannot be a pointer or a string literal: pass a std::string");
    static_assert(!is_view<T>, "weft: an argument is copied into the branch, so it cannot be a view: pass a std::string or a std::vector");
    static_assert(std::is_lvalue_reference_v<A> || !std::is_aggregate_v<T> || !std::is_class_v<T>,
                  "weft: name it first. An aggregate made inside a co_await expression is destroyed twice by g++ 12; write "
                  "`order wanted{...};` as a statement of its own and pass `wanted`");
}

/// What an operation's type is where it cannot be told. `D` makes it depend on something, so that it is looked at only there.
template <class D>
struct unclear
{
    static_assert(!std::is_same_v<D, D>, "weft: an overloaded function or a function template: say which one is meant, with "
                                         "static_cast<int (*)(std::string)>(&function) or a captureless lambda that calls it");
    using type = void (*)();
};

/// What may be an operation.
template <class F>
constexpr void check_operation()
{
    using T = std::decay_t<F>;
    if constexpr (!operation_adapter<T>)
    {
        static_assert(!is_reference_wrapper<T>,
                      "weft: an operation outlives the workflow's frame, so it cannot be a reference: pass the function itself");
        static_assert(!std::is_class_v<T> || std::is_empty_v<T> || is_reference_wrapper<T>,
                      "weft: an operation outlives the workflow's frame, so it must not capture: pass what it needs as arguments, "
                      "or bind a service with weft::with(service, &function)");
        static_assert(is_plain_function<T> || std::is_class_v<T>,
                      "weft: an operation is a function, a function object with nothing in it, or an adapter such as weft::with(...)");
    }
}

/// The first operation of a branch that has only a second one.
struct nothing_to_try
{
    template <class... Args>
    void operator()(Args const&...) const noexcept
    { }
};

/// A plain function `F` called with `Args`.
template <class F, class... Args>
struct plain_operation
{
    static constexpr bool takes_branch = std::is_invocable_v<F const&, branch const&, Args const&...>;
    static constexpr bool takes_arguments = std::is_invocable_v<F const&, Args const&...>;

    static constexpr auto returned()
    {
        if constexpr (takes_branch)
            return std::type_identity<std::invoke_result_t<F const&, branch const&, Args const&...>>{};
        else if constexpr (takes_arguments)
            return std::type_identity<std::invoke_result_t<F const&, Args const&...>>{};
        else
        {
            static_assert(takes_arguments,
                          "weft: this operation cannot be called with the branch's arguments (every operation of a branch gets the "
                          "same ones, as const&; a `weft::branch const&` in front is optional)");
            return std::type_identity<void>{};
        }
    }

    using return_type = typename decltype(returned())::type;
    static constexpr bool is_awaitable = awaited<std::remove_cvref_t<return_type>>::is_awaitable;
    using result = std::remove_cvref_t<typename awaited<std::remove_cvref_t<return_type>>::type>;

    static return_type call(F const& f, branch const& where, Args const&... args)
    {
        if constexpr (takes_branch)
            return std::invoke(f, where, args...);
        else
            return std::invoke(f, args...);
    }
};

template <class R>
outcome success_of(R const& r)
{
    return outcome::success(encode(r));
}

/// Calls `f` and answers with its result; an exception becomes the outcome it stands for. `permanent` is set when the
/// operation did its work but its result cannot be recorded, and as by `outcome_of_current_exception`.
template <class F>
outcome run_to_outcome(bool& permanent, F&& f)
{
    using R = std::invoke_result_t<F>;
    try
    {
        if constexpr (std::is_void_v<R>)
        {
            f();
            return outcome::success();
        }
        else
        {
            R const r = f();
            try
            {
                return success_of(r);
            }
            catch (std::exception const& e)
            {
                permanent = true;
                return outcome::error(std::string("its result cannot be recorded: ") + e.what());
            }
        }
    }
    catch (...)
    {
        return outcome_of_current_exception(permanent);
    }
}

inline void answer_call(operation_call call, outcome o, bool permanent)
{
    if (permanent)
        std::move(call).answer_permanent_error(std::move(o.text));
    else
        std::move(call).answer(std::move(o));
}

/// How an awaitable operation ended.
struct awaited_outcome
{
    outcome said;
    bool    permanent = false;
};

/// Awaits the operation.
template <class R>
boost::asio::awaitable<awaited_outcome> outcome_when_done(boost::asio::awaitable<R> operation)
{
    awaited_outcome o;
    try
    {
        if constexpr (std::is_void_v<R>)
        {
            co_await std::move(operation);
            o.said = outcome::success();
        }
        else
        {
            R const r = co_await std::move(operation);
            o.said = run_to_outcome(o.permanent, [&]() -> R const& { return r; });
        }
    }
    catch (...)
    {
        o.said = outcome_of_current_exception(o.permanent);
    }
    co_return o;
}

/// Spawns an awaitable operation on the engine's strand. It answers where Asio has done with it and not within its coroutine: until
/// then Asio touches the cancellation slot, which is there as long as the call.
template <class R>
void spawn_operation(boost::asio::awaitable<R> operation, operation_call call)
{
    auto const executor = call.get_executor();
    auto const slot = call.get_cancellation_slot();
    boost::asio::co_spawn(
        executor, outcome_when_done(std::move(operation)),
        boost::asio::bind_cancellation_slot(slot, [call = std::move(call)](std::exception_ptr error, awaited_outcome o) mutable {
            if (error)  // of Asio's own: the operation's are outcomes
                o.said = outcome::error("the operation could not be awaited");
            answer_call(std::move(call), std::move(o.said), o.permanent);
        }));
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
