/// \file
/// Completion handlers with their types erased: Boost 1.81 has no any_completion_handler yet.
#pragma once

#include <weft/errors.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>

namespace weft {
inline namespace v0 {

/// A completion token: blocks the calling thread until the answer is there, and returns or throws it.
/// Errors: misuse(wrong_thread) if called on a thread that runs the engine's strand or its executor's context (an io_context or a thread
/// pool): that thread would wait for itself, or all of them for one another. unfinished(stopped) if the engine goes before it can answer.
struct blocking_t
{ };
inline constexpr blocking_t blocking{};

namespace detail {

/// Whether this thread is one of those that run the executor's context, as far as that can be told: of an io_context, a thread pool, or a
/// strand on one of them.
bool runs_here(boost::asio::any_io_executor const& executor) noexcept;

/// Throws misuse(wrong_thread) if waiting here would keep `executor` from its work.
void refuse_to_block(boost::asio::any_io_executor const& executor);

template <class Token>
inline constexpr bool blocks = std::is_same_v<std::remove_cvref_t<Token>, blocking_t>;

template <class F>
inline constexpr bool is_std_function = false;
template <class Signature>
inline constexpr bool is_std_function<std::function<Signature>> = true;

/// What an aggregate that is handed over must be where the call may be awaited: a variable. (`A` is the forwarding reference's type.) A call
/// with a handler, or with `weft::blocking`, is never awaited.
template <class A, class Token, class... Results>
constexpr void check_awaited_argument()
{
    constexpr bool awaited = !blocks<Token> && !std::is_invocable_v<std::decay_t<Token>&, std::exception_ptr, Results...>;
    static_assert(!awaited || std::is_lvalue_reference_v<A> || !std::is_aggregate_v<std::remove_cvref_t<A>>,
                  "weft: name it first. An aggregate made inside a co_await expression is destroyed twice by g++ 12; write "
                  "`order wanted{...};` as a statement of its own and pass `wanted` (which is copied)");
}

/// The same for a function object: a lambda made inside a co_await expression is destroyed twice, too, which counts if it holds values.
template <class F, class Token, class... Results>
constexpr void check_awaited_function()
{
    using T = std::remove_cvref_t<F>;
    constexpr bool awaited = !blocks<Token> && !std::is_invocable_v<std::decay_t<Token>&, std::exception_ptr, Results...>;
    static_assert(!awaited || std::is_lvalue_reference_v<F> || std::is_trivially_destructible_v<T> || is_std_function<T>,
                  "weft: name it first. A lambda that holds values, made inside a co_await expression, is destroyed twice by g++ 12; "
                  "write `auto work = [=](...) {...};` as a statement of its own and pass `work` (which is copied)");
}

/// Nobody is left who could answer.
inline std::exception_ptr gone_error()
{
    return std::make_exception_ptr(
        unfinished(unfinished::why::stopped, "whoever was to answer has gone, and nothing is known here: ask again with the same gid", {}));
}

/// Where an asynchronous member of the engine puts its answer, once. One that is destroyed without an answer says unfinished(stopped): who
/// waits is never forgotten, whatever goes first.
template <class T>
class completion
{
public:
    virtual ~completion() = default;
    virtual void complete(std::exception_ptr error, T value) = 0;

    /// Registers what to do when the caller cancels its wait.
    virtual void on_cancel(std::function<void()> cancelled) = 0;
};

/// The caller's wish to wait no longer, on its way from the caller's executor to the engine's strand: a cancellation slot may
/// only be touched where its handler runs.
class cancel_link
{
public:
    void cancel()
    {
        std::unique_lock lock(mutex_);
        cancelled_ = true;
        auto const tell = std::exchange(tell_, nullptr);
        lock.unlock();
        if (tell)
            tell();
    }
    void on_cancel(std::function<void()> tell)
    {
        std::unique_lock lock(mutex_);
        if (!cancelled_)
        {
            tell_ = std::move(tell);
            return;
        }
        lock.unlock();
        tell();
    }

private:
    std::mutex            mutex_;
    bool                  cancelled_ = false;
    std::function<void()> tell_;
};

template <class T>
struct completion_signature
{
    using type = void(std::exception_ptr, T);
};
template <>
struct completion_signature<void>
{
    using type = void(std::exception_ptr);
};

/// A handler that only wakes a waiting thread: it is called where the answer is made, and needs nobody to run its executor.
template <class Handler>
concept wakes_a_thread = requires
{
    typename Handler::weft_wakes_a_thread;
};

/// What a handler of result `T` is completed with when the engine's raw answer is `Raw`.
template <class T, class Raw, class Convert, class Handler>
class completion_of final : public completion<Raw>
{
public:
    completion_of(completion_of const&) = delete;
    completion_of& operator=(completion_of const&) = delete;
    ~completion_of() override
    {
        if (!std::exchange(answered_, true))
            try
            {
                if constexpr (std::is_void_v<T>)
                    finish(gone_error());
                else
                    finish(gone_error(), T{});
            }
            catch (...)
            {
                // No memory even for that: then nobody can be told.
            }
    }

    template <class Executor>
    completion_of(Handler h, Executor const& fallback, Convert convert)
        : handler_(std::move(h))
        , work_(boost::asio::get_associated_executor(handler_, fallback))
        , convert_(std::move(convert))
    {
        if (auto slot = boost::asio::get_associated_cancellation_slot(handler_); slot.is_connected())
        {
            link_ = std::make_shared<cancel_link>();
            slot.assign([link = link_](boost::asio::cancellation_type) { link->cancel(); });
        }
    }

    void complete(std::exception_ptr error, Raw value) override
    {
        answered_ = true;
        if constexpr (std::is_void_v<T>)
            finish(error);
        else
        {
            T converted{};
            if (!error)
                try
                {
                    converted = convert_(std::move(value));
                }
                catch (...)
                {
                    error = std::current_exception();
                }
            finish(error, std::move(converted));
        }
    }

    void on_cancel(std::function<void()> cancelled) override
    {
        if (link_)
            link_->on_cancel(std::move(cancelled));
    }

private:
    template <class... Result>
    void finish(std::exception_ptr error, Result... result)
    {
        if constexpr (wakes_a_thread<Handler>)
            std::move(handler_)(error, std::move(result)...);
        else
            boost::asio::post(work_.get_executor(), [h = std::move(handler_), error, ... r = std::move(result)]() mutable {
                clear_slot(h);
                std::move(h)(error, std::move(r)...);
            });
    }

    static void clear_slot(Handler const& h)
    {
        if (auto slot = boost::asio::get_associated_cancellation_slot(h); slot.is_connected())
            slot.clear();
    }

    bool                                                                                                        answered_ = false;
    Handler                                                                                                     handler_;
    boost::asio::executor_work_guard<boost::asio::associated_executor_t<Handler, boost::asio::any_io_executor>> work_;
    Convert                                                                                                     convert_;
    std::shared_ptr<cancel_link>                                                                                link_;
};

template <class T, class Raw, class Handler, class Executor, class Convert>
std::unique_ptr<completion<Raw>> make_completion(Handler&& h, Executor const& fallback, Convert convert)
{
    using type = completion_of<T, Raw, Convert, std::decay_t<Handler>>;
    return std::make_unique<type>(std::forward<Handler>(h), fallback, std::move(convert));
}

/// The handler of a thread that waits for a `T`. Owns its end, so that the waiting thread may go on while this still returns.
template <class T>
class waking_handler
{
public:
    using weft_wakes_a_thread = void;

    explicit waking_handler(std::promise<T> to) noexcept : to_(std::move(to)) { }

    template <class... Result>
    void operator()(std::exception_ptr error, Result... result) &&
    {
        if (error)
            to_.set_exception(error);
        else
            to_.set_value(std::move(result)...);
    }

private:
    std::promise<T> to_;
};

/// Starts what `initiation` starts, and waits for its answer.
template <class T, class Initiation, class... Args>
T wait_for_answer(Initiation&& initiation, Args&&... args)
{
    std::promise<T> answer;
    auto            future = answer.get_future();
    std::forward<Initiation>(initiation)(waking_handler<T>(std::move(answer)), std::forward<Args>(args)...);
    try
    {
        return future.get();
    }
    catch (std::future_error const&)
    {
        std::rethrow_exception(gone_error());  // its handler was destroyed before it had even become a completion
    }
}

}  // namespace detail
}  // namespace v0
}  // namespace weft

template <>
class boost::asio::async_result<weft::blocking_t, void(std::exception_ptr)>
{
public:
    template <class Initiation, class... Args>
    static void initiate(Initiation&& initiation, weft::blocking_t, Args&&... args)
    {
        weft::detail::wait_for_answer<void>(std::forward<Initiation>(initiation), std::forward<Args>(args)...);
    }
};

template <class T>
class boost::asio::async_result<weft::blocking_t, void(std::exception_ptr, T)>
{
public:
    template <class Initiation, class... Args>
    static T initiate(Initiation&& initiation, weft::blocking_t, Args&&... args)
    {
        return weft::detail::wait_for_answer<T>(std::forward<Initiation>(initiation), std::forward<Args>(args)...);
    }
};
