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
/// Errors: misuse(wrong_thread) if called on the engine's own thread, which would wait for itself.
struct blocking_t
{ };
inline constexpr blocking_t blocking{};

namespace detail {

/// Where an asynchronous member of the engine puts its answer, once.
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

/// What a handler of result `T` is completed with when the engine's raw answer is `Raw`.
template <class T, class Raw, class Convert, class Handler>
class completion_of final : public completion<Raw>
{
public:
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
        auto executor = work_.get_executor();
        if constexpr (std::is_void_v<T>)
        {
            boost::asio::post(executor, [h = std::move(handler_), error]() mutable {
                clear_slot(h);
                std::move(h)(error);
            });
        }
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
            boost::asio::post(executor, [h = std::move(handler_), error, v = std::move(converted)]() mutable {
                clear_slot(h);
                std::move(h)(error, std::move(v));
            });
        }
    }

    void on_cancel(std::function<void()> cancelled) override
    {
        if (link_)
            link_->on_cancel(std::move(cancelled));
    }

private:
    static void clear_slot(Handler const& h)
    {
        if (auto slot = boost::asio::get_associated_cancellation_slot(h); slot.is_connected())
            slot.clear();
    }

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
        std::promise<void> answer;
        std::forward<Initiation>(initiation)(
            [&answer](std::exception_ptr error) {
                if (error)
                    answer.set_exception(error);
                else
                    answer.set_value();
            },
            std::forward<Args>(args)...);
        answer.get_future().get();
    }
};

template <class T>
class boost::asio::async_result<weft::blocking_t, void(std::exception_ptr, T)>
{
public:
    template <class Initiation, class... Args>
    static T initiate(Initiation&& initiation, weft::blocking_t, Args&&... args)
    {
        std::promise<T> answer;
        std::forward<Initiation>(initiation)(
            [&answer](std::exception_ptr error, T value) {
                if (error)
                    answer.set_exception(error);
                else
                    answer.set_value(std::move(value));
            },
            std::forward<Args>(args)...);
        return answer.get_future().get();
    }
};
