/// \file
/// Start here. A workflow is a coroutine that says what happens; weft makes all of it happen, or undoes it.
///
///     // Operations: ordinary functions. Throwing weft::failure means "the business says no".
///     void debit(std::string account, std::int64_t cents);
///     void refund(std::string account, std::int64_t cents);
///     void credit(std::string account, std::int64_t cents);
///
///     // The workflow: journalled step by step, replayed after a crash.
///     weft::workflow<void> transfer(weft::context& wf, order o)
///     {
///         co_await wf.saga("debit", &debit, &refund, o.from, o.cents);   // undone by refund if anything later fails
///         co_await wf.step("credit", &credit, o.to, o.cents);            // recorded; nothing to undo
///     }
///
///     auto const transfers = engine.add("transfer", &transfer);      // a weft::handle<void(order)>
///     co_await transfers.execute(weft::gid("transfer-4711"), wanted);
///
/// Rules of a body, each checked by the compiler or by replay:
///   - it awaits only what this header offers, so that replaying it repeats no effect;
///   - it decides by its input, by results, and by `wf.now()`, `wf.uuid()`, `wf.random()`: nothing else is the same next time;
///   - operations and arguments are handed over by value: functions, not captures;
///   - its destructors may release memory, never undo business: an attempt that stops destroys the frame.
#pragma once

#include <weft/detail/workflow_promise.hpp>
#include <weft/errors.hpp>
#include <weft/named.hpp>
#include <weft/retry.hpp>

namespace weft {
inline namespace v0 {

/// The return type of a workflow body, and of coroutines that a body is made of.
///
/// A body takes `weft::context&`, then the services bound by `engine::add` by reference, then at most one input by value. It may
/// await another `workflow<U>` as a part of itself: same transaction, same branch numbers. A part, or a branch, that a body makes and does
/// not await pauses the transaction: it would not happen.
/// Lifetimes: owns the coroutine's frame. Thread safety: one strand at a time.
template <class T>
class [[nodiscard("co_await it: a part of a workflow that is not awaited does not happen")]] [[gnu::warn_unused]] workflow
{
public:
    using promise_type = detail::workflow_promise<T>;
    using handle_type = std::coroutine_handle<promise_type>;

    explicit workflow(handle_type h) noexcept : coroutine_(h) { }
    workflow(workflow && other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) { }
    workflow& operator=(workflow&& other) noexcept
    {
        std::swap(coroutine_, other.coroutine_);
        return *this;
    }
    ~workflow()
    {
        if (!coroutine_)
            return;
        coroutine_.promise().dropped();
        coroutine_.destroy();
    }

    bool await_ready() const noexcept { return false; }

    /// Runs the part until it is done or waits for an operation.
    template <class Parent>
    bool await_suspend(std::coroutine_handle<Parent> parent)
    {
        if (!coroutine_)
            detail::throw_awaited_twice();
        auto& p = coroutine_.promise();
        p.awaited_ = true;
        p.parent_ = parent;
        p.parent_promise_ = &parent.promise();
        coroutine_.resume();
        if (coroutine_.done())
            return false;
        p.parent_waits_ = true;
        return true;
    }

    T await_resume()
    {
        auto& p = coroutine_.promise();
        if (p.error())
            std::rethrow_exception(p.error());
        if constexpr (!std::is_void_v<T>)
            return std::move(p.value());
    }

    /// Gives the frame away; whoever takes it destroys it.
    handle_type release() noexcept { return std::exchange(coroutine_, nullptr); }

private:
    handle_type coroutine_;
};

/// What a body is given: the four verbs, and what is the same in every attempt.
///
/// The verbs are *name, operations…, arguments…*. The arguments are the branch's payload: copied, compared on replay, and given to
/// every operation of the branch. The name may carry options: `weft::named("charge").timeout(2s)`.
///
/// `co_await` on a verb returns the result of its first operation once that is recorded, and throws `failure` if the business said
/// no. A failure that leaves the body rolls the whole workflow back; one that is caught is a branch not taken.
/// Durability: whatever the body has seen is durable before anything that depends on it leaves the process (I1).
/// Shape: results and arguments are any type that Boost.JSON converts (described structs included), `void`, and `weft::bytes`.
class context
{
public:
    explicit context(detail::attempt_core& core) noexcept : core_(core) { }
    context(context const&) = delete;
    context& operator=(context const&) = delete;

    /// Does `f(args...)` once and records it. Nothing undoes it. After a crash at the wrong moment it may be sent again, unless it is
    /// an operation in the store's own database or behind a barrier.
    template <class D = void, class F = typename detail::unclear<D>::type, class... Args>
    auto step(named name, F f, Args&&... args)
    {
        return make<F>(detail::verb::step, std::move(name), std::tuple<F>(std::move(f)), std::forward<Args>(args)...);
    }

    /// Does `action(args...)` now; `compensate(args...)` undoes it if the workflow rolls back.
    /// The compensation also runs if nobody knows whether the action happened: it must cope with an action that did not
    /// (a barrier does that for it).
    template <class D = void, class F = typename detail::unclear<D>::type, class G = typename detail::unclear<D>::type, class... Args>
    auto saga(named name, F action, G compensate, Args&&... args)
    {
        return make<F>(detail::verb::saga, std::move(name), std::tuple<F, G>(std::move(action), std::move(compensate)),
                       std::forward<Args>(args)...);
    }

    /// Reserves with `try_(args...)` now; `confirm(args...)` keeps it when the whole workflow commits, `cancel(args...)` releases it
    /// when it rolls back.
    template <class D = void, class F = typename detail::unclear<D>::type, class G = typename detail::unclear<D>::type,
              class H = typename detail::unclear<D>::type, class... Args>
    auto tcc(named name, F try_, G confirm, H cancel, Args&&... args)
    {
        return make<F>(detail::verb::tcc, std::move(name), std::tuple<F, H, G>(std::move(try_), std::move(cancel), std::move(confirm)),
                       std::forward<Args>(args)...);
    }

    /// Does `f(args...)` in a prepared transaction of `resource`, a weft::database, committed or rolled back with the workflow.
    /// Any resource will do that gives three adapters: `resource.xa_action(f)`, `resource.xa_rollback()`, `resource.xa_commit()`.
    /// Every send has a number of its own in the journal before it starts (`branch::send`), so that a lost one can be found.
    template <class Resource, class F = typename detail::unclear<Resource>::type, class... Args>
    auto xa(named name, Resource& resource, F f, Args&&... args)
    {
        detail::check_operation<F>();
        auto action = resource.xa_action(std::move(f));
        auto rollback = resource.xa_rollback();
        auto commit = resource.xa_commit();
        using A = decltype(action);
        return make<A>(detail::verb::xa, std::move(name),
                       std::tuple<A, decltype(rollback), decltype(commit)>(std::move(action), std::move(rollback), std::move(commit)),
                       std::forward<Args>(args)...);
    }

    /// Does `f(branch, args...)` when all else is done: after the last confirmation or, if `is_undo(branch.op)`, after the last undo. For what
    /// tells others how it ended. Awaiting it records that it is wanted, and returns at once: asked for in the first line, it hears of every
    /// end. Several are done in the reverse order. It is a `tcc` with nothing to try, so it may happen more than once, is retried until it
    /// succeeds, and pauses the transaction if it says no. The final status is written after it: until then, a query says `submitted` or
    /// `aborting`. Where a confirmation or an undo was refused, it waits until that is resumed.
    /// `weft::sql` does it once. A service that is called needs a way of its own to know a duplicate: a barrier there would take the cancel for
    /// the undo of something that never came, and do nothing.
    template <class D = void, class F = typename detail::unclear<D>::type, class... Args>
    auto on_finish(named name, F f, Args&&... args)
    {
        auto made =
            call_of(detail::verb::tcc, std::move(name), std::tuple<detail::nothing_to_try, F, F>({}, f, f), std::forward<Args>(args)...);
        made->at_the_end = true;
        return detail::branch_awaitable<void>(core_, std::move(made));
    }

    /// A header for every request of the branches that follow, those of their confirmations and undos included: tenant, trace, credentials.
    /// An earlier value of the name is replaced. Like addresses, headers are not compared on replay.
    /// Errors: none here; one that cannot be sent pauses the transaction at its first request.
    void branch_header(std::string name, std::string value)
    {
        auto headers = headers_ ? std::make_shared<http_headers>(*headers_) : std::make_shared<http_headers>();
        std::erase_if(*headers, [&](auto const& h) { return h.first == name; });
        headers->emplace_back(std::move(name), std::move(value));
        headers_ = std::move(headers);
    }

    std::string const& gid() const noexcept { return core_.gid(); }

    /// The time kept in the last journal entry (at first, of the creation): the same in every attempt.
    std::chrono::system_clock::time_point now() const noexcept { return core_.now(); }

    /// A new UUID at each call, the same ones in every attempt.
    std::string uuid() { return core_.uuid(); }

    /// A new number at each call, the same ones in every attempt. Not for secrets.
    std::uint64_t random() { return core_.random(); }

private:
    friend class detail::workflow_promise_base;

    template <class First, class... Ops, class... Args>
    auto make(detail::verb v, named name, std::tuple<Ops...> ops, Args&&... args)
    {
        using result = typename detail::result_of_operation<First, std::decay_t<Args>...>::type;
        return detail::branch_awaitable<result>(core_, call_of(v, std::move(name), std::move(ops), std::forward<Args>(args)...));
    }

    template <class... Ops, class... Args>
    boost::intrusive_ptr<detail::branch_call> call_of(detail::verb v, named name, std::tuple<Ops...> ops, Args&&... args)
    {
        (detail::check_operation<Ops>(), ...);
        (detail::check_argument<Args>(), ...);
        (check_callable<Ops, std::decay_t<Args>...>(), ...);
        using call = detail::branch_call_of<std::tuple<std::decay_t<Args>...>, Ops...>;
        boost::intrusive_ptr<detail::branch_call> made(new call(v, std::move(name), std::move(ops), std::forward<Args>(args)...));
        made->headers = headers_;
        return made;
    }

    template <class Op, class... Args>
    static constexpr void check_callable()
    {
        using type [[maybe_unused]] = typename detail::result_of_operation<Op, Args...>::type;
    }

    detail::attempt_core&               core_;
    std::shared_ptr<http_headers const> headers_;
};

/// `co_await weft::as_outcome(wf.step(…))` gives a `boost::system::result<T, failure>` instead of throwing: needed to go another
/// way after a failure, since C++ forbids `co_await` inside a catch block.
template <class T>
auto as_outcome(detail::branch_awaitable<T>&& branch) noexcept
{
    return detail::outcome_awaitable<T>(std::move(branch));
}

namespace detail {

template <class Service, class F>
class with_service
{
public:
    using weft_operation = void;
    template <class... Args>
    using result = typename plain_operation<F, std::reference_wrapper<Service>, Args...>::result;

    with_service(Service& s, F f) noexcept : service_(&s), f_(f) { }

    template <class... Args>
    void start(operation_call call, Args const&... args) const
    {
        using operation = plain_operation<F, std::reference_wrapper<Service>, Args...>;
        auto run = [&]() -> decltype(auto) {
            return operation::call(f_, call.where(), std::reference_wrapper<Service>(*service_), args...);
        };
        if constexpr (operation::is_awaitable)
        {
            auto awaitable = run();
            spawn_operation(std::move(awaitable), std::move(call));
        }
        else
        {
            bool permanent = false;
            auto o = run_to_outcome(permanent, run);
            answer_call(std::move(call), std::move(o), permanent);
        }
    }

    void const* service() const noexcept { return std::addressof(*service_); }

private:
    Service* service_;
    F        f_;
};

inline void workflow_promise_base::keep(context& c) noexcept { core_ = &c.core_; }

template <class T>
workflow<T> workflow_promise<T>::get_return_object(std::source_location where) noexcept
{
    auto const handle = std::coroutine_handle<workflow_promise>::from_promise(*this);
    frame_ = handle.address();
    where_ = where;
    return workflow<T>(handle);
}
inline workflow<void> workflow_promise<void>::get_return_object(std::source_location where) noexcept
{
    auto const handle = std::coroutine_handle<workflow_promise>::from_promise(*this);
    frame_ = handle.address();
    where_ = where;
    return workflow<void>(handle);
}

}  // namespace detail

/// The operation `f(service, args...)`, or `f(branch, service, args...)`: the service is not payload, so it is neither copied nor compared.
/// Lifetimes: `service` outlives the engine. One that is a variable of the body, or of a part of it, pauses the transaction before anything is
/// sent: the body's frame is gone when the undo runs. `f` runs on the engine's strand, so it must not block; it may be awaitable.
template <class Service, class F = typename detail::unclear<Service>::type>
auto with(Service& service, F f)
{
    detail::check_operation<F>();
    return detail::with_service<Service, F>(service, f);
}

}  // namespace v0
}  // namespace weft
