/// \file
/// The coroutine type of workflow bodies, and what may be awaited in one. See docs/coroutines.md.
///
/// A child is resumed from a `bool await_suspend` and its parent from the child's final awaiter: symmetric transfer would
/// overflow the stack at -O0 on g++ when a long journal replays without ever suspending.
#pragma once

#include <weft/detail/branch_call.hpp>

#include <boost/system/result.hpp>

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <source_location>
#include <type_traits>

namespace weft {
inline namespace v0 {

template <class T>
class workflow;
class context;

namespace detail {

/// What the awaitables of a body talk to: the attempt.
class attempt_core
{
public:
    /// The body asks for a branch. True: the answer is there, its result in `call.place`. False: `wait` follows, and the body is resumed
    /// with it, or destroyed. What replay finds wrong is never thrown: the body could catch it.
    virtual bool ask(branch_call& call) = 0;
    virtual void wait(std::coroutine_handle<> body) noexcept = 0;

    /// The body has made a branch and dropped it without awaiting it.
    virtual void forgotten(branch_call const& call) noexcept = 0;

    /// The same with a part of itself. `where` names the part: where its coroutine is written.
    virtual void forgotten(std::source_location const& where) noexcept = 0;

    virtual std::string const&                    gid() const noexcept = 0;
    virtual std::chrono::system_clock::time_point now() const noexcept = 0;
    virtual std::string                           uuid() = 0;
    virtual std::uint64_t                         random() = 0;

protected:
    ~attempt_core() = default;
};

[[noreturn]] void throw_awaited_twice();

/// The failure that the branch answered.
failure failure_of(branch_call const& call);

/// Where the result lies until the body takes it.
template <class T>
class result_slot final : public result_place
{
public:
    void read(branch_call const& call) override
    {
        value_.emplace(call.recorded ? decode<T>(*call.recorded) : decode<T>(std::string_view(call.answer.text)));
    }
    void expected_by(branch_call& call) noexcept { call.place = this; }
    T&&  value() noexcept { return std::move(*value_); }

private:
    std::optional<T> value_;
};
template <>
class result_slot<void>
{
public:
    void expected_by(branch_call&) noexcept { }
};

/// What a verb returns. Awaiting it performs the branch, or reads it from the journal. (warn_unused: so does a variable that nobody awaits.)
template <class T>
class [[nodiscard("co_await it: a branch that is not awaited does not happen")]] [[gnu::warn_unused]] branch_awaitable
{
public:
    branch_awaitable(attempt_core & core, boost::intrusive_ptr<branch_call> call) noexcept
        : core_(&core)
        , call_(std::move(call))
        , exceptions_(std::uncaught_exceptions())
    { }
    branch_awaitable(branch_awaitable && other) noexcept
        : core_(other.core_)
        , call_(std::move(other.call_))
        , asked_(other.asked_)
        , exceptions_(other.exceptions_)
    { }
    branch_awaitable& operator=(branch_awaitable&&) = delete;
    ~branch_awaitable()
    {
        if (!call_)
            return;
        call_->place = nullptr;
        // An exception that passes drops what it passes.
        if (!asked_ && std::uncaught_exceptions() <= exceptions_)
            core_->forgotten(*call_);
    }

    bool await_ready()
    {
        if (!call_)
            throw_awaited_twice();
        asked_ = true;
        result_.expected_by(*call_);
        return core_->ask(*call_);
    }
    void await_suspend(std::coroutine_handle<> body) noexcept { core_->wait(body); }
    T    await_resume()
    {
        if (failed())
            throw failure_of(*call_);
        if constexpr (!std::is_void_v<T>)
            return result();
    }

    bool                                     failed() const noexcept { return call_->answer.what != outcome::kind::success; }
    auto&&                                   result() noexcept { return result_.value(); }
    boost::intrusive_ptr<branch_call> const& call() const noexcept { return call_; }

private:
    attempt_core*                        core_;
    boost::intrusive_ptr<branch_call>    call_;
    [[no_unique_address]] result_slot<T> result_;
    bool                                 asked_ = false;
    int                                  exceptions_;
};

/// The same with the failure as a value.
template <class T>
class [[nodiscard("co_await it: a branch that is not awaited does not happen")]] [[gnu::warn_unused]] outcome_awaitable
{
public:
    explicit outcome_awaitable(branch_awaitable<T> && b) noexcept : branch_(std::move(b)) { }

    boost::intrusive_ptr<branch_call> const& call() const noexcept { return branch_.call(); }

    bool                              await_ready() { return branch_.await_ready(); }
    void                              await_suspend(std::coroutine_handle<> body) noexcept { branch_.await_suspend(body); }
    boost::system::result<T, failure> await_resume()
    {
        if (branch_.failed())
            return failure_of(*branch_.call());
        if constexpr (std::is_void_v<T>)
            return {};
        else
            return {boost::system::in_place_value, branch_.result()};  // in place: a failure can be made from a string too
    }

private:
    branch_awaitable<T> branch_;
};

template <class T>
inline constexpr bool is_weft_awaitable = false;
template <class T>
inline constexpr bool is_weft_awaitable<branch_awaitable<T>> = true;
template <class T>
inline constexpr bool is_weft_awaitable<outcome_awaitable<T>> = true;
template <class T>
inline constexpr bool is_weft_awaitable<workflow<T>> = true;

/// What lies before each frame: how long that is. No allocation of its own, and nothing global.
struct alignas(std::max_align_t) frame_header
{
    void const* frame;  // itself: whether there is a header at all (a compiler may put a frame elsewhere)
    std::size_t size;
};

class workflow_promise_base
{
public:
    static void* operator new(std::size_t size)
    {
        auto* const header = static_cast<frame_header*>(::operator new(sizeof(frame_header) + size));
        header->frame = header + 1;
        header->size = size;
        return header + 1;
    }
    static void operator delete(void* frame, std::size_t size) noexcept
    {
        ::operator delete(static_cast<frame_header*>(frame) - 1, sizeof(frame_header) + size);
    }

    std::suspend_always initial_suspend() const noexcept { return {}; }

    struct final_awaiter
    {
        bool await_ready() const noexcept { return false; }
        template <class Promise>
        void await_suspend(std::coroutine_handle<Promise> self) const noexcept
        {
            auto& p = self.promise();
            if (p.parent_waits_)
                p.parent_.resume();
        }
        void await_resume() const noexcept { }
    };
    final_awaiter final_suspend() const noexcept { return {}; }

    void unhandled_exception() noexcept { error_ = std::current_exception(); }

    template <class Awaitable>
    auto await_transform(Awaitable&& a) const
    {
        static_assert(!std::is_lvalue_reference_v<Awaitable> || !is_weft_awaitable<std::remove_cvref_t<Awaitable>>,
                      "weft: a branch, or a part of a workflow, is awaited once: co_await the call itself, or std::move(it)");
        static_assert(is_weft_awaitable<std::remove_cvref_t<Awaitable>>,
                      "weft: a workflow body is replayed after a crash, so it awaits weft's own awaitables and nothing else: timers, "
                      "sockets and other effects belong into an operation, called with wf.step(\"name\", &operation, arguments...)");
        if constexpr (is_weft_awaitable<std::remove_cvref_t<Awaitable>>)
        {
            if constexpr (requires { a.call(); })
                refuse_what_dies_first(a.call().get());
            return std::remove_cvref_t<Awaitable>(std::move(a));
        }
        else
            return std::suspend_never{};
    }

    std::exception_ptr const& error() const noexcept { return error_; }

    /// Its owner lets go of it. A part that nobody has awaited would not happen; an exception that passes drops what it passes.
    void dropped() const noexcept
    {
        if (core_ && !awaited_ && std::uncaught_exceptions() <= exceptions_)
            core_->forgotten(where_);
    }

    bool                         awaited_ = false;
    std::coroutine_handle<>      parent_;
    workflow_promise_base const* parent_promise_ = nullptr;
    bool                         parent_waits_ = false;

protected:
    void const*          frame_ = nullptr;
    std::source_location where_;  // the coroutine

    // Among a coroutine's parameters: what its promise needs.
    void keep(context& c) noexcept;
    template <class Parameter>
    void keep(Parameter const&) noexcept
    { }

private:
    attempt_core* core_ = nullptr;  // null: it has no context, and so no branches
    int           exceptions_ = std::uncaught_exceptions();

    /// A service that is a variable of the body: its frame is gone when phase 2 runs.
    void refuse_what_dies_first(branch_call* call) const noexcept
    {
        for (auto const* p = this; call && p; p = p->parent_promise_)
            if (auto const& header = *(static_cast<frame_header const*>(p->frame_) - 1);
                header.frame == p->frame_ && call->needs_what_is_in(p->frame_, header.size))
                call->refused =
                    "its service is a variable of the body, which is gone when the operation runs: services outlive the engine, "
                    "and are given to add";
    }

protected:
    std::exception_ptr error_;
};

template <class T>
class workflow_promise : public workflow_promise_base
{
public:
    template <class... Parameters>
    explicit workflow_promise(Parameters&&... parameters) noexcept
    {
        (keep(parameters), ...);
    }

    workflow<T> get_return_object(std::source_location where = std::source_location::current()) noexcept;
    template <class U>
    void return_value(U&& v)
    {
        value_.emplace(std::forward<U>(v));
    }
    T& value() noexcept { return *value_; }

private:
    std::optional<T> value_;
};

template <>
class workflow_promise<void> : public workflow_promise_base
{
public:
    template <class... Parameters>
    explicit workflow_promise(Parameters&&... parameters) noexcept
    {
        (keep(parameters), ...);
    }

    workflow<void> get_return_object(std::source_location where = std::source_location::current()) noexcept;
    void           return_void() const noexcept { }
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
