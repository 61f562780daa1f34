/// \file
/// Tests of workflows with no server, no database and no waiting: a store in memory, time that moves by itself as soon as nothing else
/// can happen, and participants that do what the test says. See docs/testing.md.
#pragma once

#include <weft/engine.hpp>
#include <weft/testing/virtual_clock.hpp>

#include <boost/system/result.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace weft {
inline namespace v0 {
namespace testing {

class environment;

template <class Signature>
class handle;

/// What a participant does, send after send: the behaviours are used up in the order in which they are written, and the last one stays.
///     env.on("charge").throws("connection reset").never_answers().succeeds(std::int64_t{500});
class script
{
public:
    template <class T>
    script& succeeds(T const& result)
    {
        return add({kind::succeed, detail::encode(result), {}});
    }
    script& succeeds() { return add({kind::succeed, {}, {}}); }

    /// The business says no.
    script& fails(std::string reason) { return add({kind::fail, std::move(reason), {}}); }
    script& fails(failure says_no) { return add({kind::fail, says_no.reason(), {}, says_no.details()}); }
    script& is_ongoing() { return add({kind::ongoing, {}, {}}); }

    /// An unknown outcome, and no effect.
    script& throws(std::string what) { return add({kind::error, std::move(what), {}}); }

    /// An unknown outcome although the operation itself ran: its answer got lost.
    script& loses_the_answer() { return add({kind::lost, {}, {}}); }

    /// The request gets lost on its way: no effect, and nothing comes back until the time-out stops the waiting.
    script& never_answers() { return add({kind::never, {}, {}}); }

    /// As a blocking function that never returns: no effect, and the time-out cannot stop it.
    script& hangs() { return add({kind::hang, {}, {}}); }

    /// The operation itself runs, twice.
    script& answers_twice() { return add({kind::twice, {}, {}}); }

    /// The operation itself runs at once, and its answer comes later, whatever the time-out says.
    script& answers_after(std::chrono::milliseconds delay) { return add({kind::late, {}, delay}); }

    /// The operation itself runs.
    script& runs() { return add({kind::run, {}, {}}); }

    /// Repeats the behaviour before it until it has been used so many times.
    script& times(unsigned n);

private:
    friend class environment;
    enum class kind
    {
        succeed,
        fail,
        ongoing,
        error,
        lost,
        never,
        hang,
        twice,
        late,
        run
    };
    struct behaviour
    {
        kind                      what;
        std::string               text;
        std::chrono::milliseconds delay;
        std::string               details{};
    };
    script&          add(behaviour b);
    behaviour const* next();

    std::vector<behaviour> behaviours_;
    std::size_t            used_ = 0;
};

struct environment_options
{
    /// Makes the store; empty: one in memory. It shall take its time from the given clock.
    std::function<std::unique_ptr<store>(std::shared_ptr<clock>)> open_store;

    /// The engine's options. Clock, store executor and participants are the environment's.
    engine_options engine;

    /// How much virtual time a wait may take before it is reported as stuck.
    std::chrono::minutes patience{60 * 24 * 30};

    /// How many other processes share the store, with the same workflows. They live until the environment ends, unless told otherwise.
    unsigned peers = 0;

    /// Which process goes next, where there are several.
    std::uint64_t seed = 1;
};

/// A world of one process at a time (and its peers, where asked for), on the calling thread. Everything in it is deterministic, unless an operation uses threads of its own.
/// Thread safety: one thread.
class environment
{
public:
    explicit environment(environment_options options = {});
    ~environment();
    environment(environment const&) = delete;
    environment& operator=(environment const&) = delete;

    /// As engine::add: for this process and those after a crash.
    template <class Body, class... Services>
    handle<weft::detail::signature_of<Body, Services...>> add(std::string name, Body body, Services... services)
    {
        registrations_.push_back([=](weft::engine& e) { e.add(name, body, services...); });
        if (has_process())
            registrations_.back()(engine());
        return handle<weft::detail::signature_of<Body, Services...>>(*this, std::move(name));
    }

    /// The workflow of this name, wherever it was added.
    ///     env.workflow<receipt(order)>("place-order").submit("g1"_gid, wanted);
    template <class Signature>
    handle<Signature> workflow(std::string name)
    {
        return handle<Signature>(*this, std::move(name));
    }

    /// As engine::add: a resource for wf.xa, for this process and those after a crash.
    void add(xa_participant& resource)
    {
        registrations_.push_back([&resource](weft::engine& e) { e.add(resource); });
        if (has_process())
            registrations_.back()(engine());
    }

    /// Whatever else an engine is given before it starts: for this process and those after a crash.
    void on_start(std::function<void(weft::engine&)> f)
    {
        registrations_.push_back(std::move(f));
        if (has_process())
            registrations_.back()(engine());
    }

    /// Scripts the first-phase operation of the branch with this name: action or try.
    script& on(std::string branch_name);
    script& on(std::string branch_name, operation op);

    /// Runs until every transaction, submitted or found in the store, has ended or is paused.
    void finish();

    /// Runs until nothing can happen before time moves.
    void settle();

    /// Moves time on, running what becomes due on the way.
    void advance(std::chrono::milliseconds by);

    /// Runs until `done()`. Throws std::runtime_error if nothing can make it so.
    void run_until(std::function<bool()> done);

    cancel_answer              cancel(gid id);
    void                       resume(gid id);
    std::optional<transaction> query(gid id);
    std::vector<transaction>   list(list_filter filter = {});

    /// The process dies: nothing of it is left but the store.
    void crash();

    /// As engine::stop.
    void stop(std::chrono::milliseconds deadline);

    /// What was sent so far: "create-order/action", "deduct-stock/try", …
    std::vector<std::string> const& calls() const noexcept { return calls_; }
    void                            forget_calls() noexcept { calls_.clear(); }

    /// One of the peers, from 1 on.
    weft::engine& peer(unsigned number);

    /// A peer dies, or stops as by engine::stop; another one takes its place.
    void crash_peer(unsigned number);
    void stop_peer(unsigned number, std::chrono::milliseconds deadline);

    /// How a store fails that is down.
    enum class outage
    {
        refuses,      ///< nothing arrives, and whoever asks knows it
        never_hears,  ///< nothing arrives, and whoever asks cannot know it
        answer_lost,  ///< everything arrives, and whoever asks cannot know it
        any           ///< now one, now another of these
    };
    /// From now on the store is down, for so long: for all processes, or only for one (0: that which `crash` ends; from 1 on: a peer).
    /// What the environment itself reads (`query`, `list`, `store`) does not notice.
    void break_store(std::chrono::milliseconds for_so_long, outage how = outage::refuses, std::optional<unsigned> only_for = std::nullopt);

    weft::engine&                engine();
    weft::store&                 store();
    testing::virtual_clock&      clock() noexcept { return *clock_; }
    boost::asio::any_io_executor get_executor();

    /// How a process ends at a write to its store. See <weft/testing/crash_everywhere.hpp>.
    enum class crash_mode
    {
        none,
        before,       ///< the process dies before the write
        after,        ///< … after the write is durable
        answer_lost,  ///< the write is durable, and the answer is lost
        frozen        ///< the process stands still at the write until another one has finished everything, and then goes on
    };
    /// Counted from now on: the write with this number (from 1) is the one. Counting goes on in later processes.
    /// Several may be planted.
    void plant_crash(std::uint64_t at_write, crash_mode mode);

    /// How many of the planted crashes have happened.
    std::size_t crashes() const noexcept;

    /// Writes that changed the store, so far: those of a committer's batch are one, and so is a claim that brought something.
    std::uint64_t writes() const noexcept;

private:
    friend class crash_sweep;
    template <class>
    friend class handle;
    struct process;
    struct held_call;
    class scripted;
    struct ended
    {
        bool        failed = false;
        std::string text, gid, details{};
    };

    ended execute_text(std::string name, gid id, std::string input);
    void  submit_text(std::string name, gid id, std::string input);
    void  start_submission(std::size_t index);
    bool  has_process() const noexcept { return process_ != nullptr; }
    void  start_process();
    void  start_peer(unsigned number);
    bool  step();
    bool  step(process& p);
    void  throw_refused();
    void  frozen();
    bool  all_ended();
    template <class T>
    T wait_for(std::function<void(weft::engine&, std::function<void(std::exception_ptr, T)>)> start);

    struct submission
    {
        std::string        name;
        gid                id;
        std::string        input;
        bool               durable = false;
        std::exception_ptr refused;
    };

    environment_options                                                                  options_;
    std::shared_ptr<testing::virtual_clock>                                              clock_;
    std::unique_ptr<weft::store>                                                         base_;
    std::shared_ptr<struct fault_plan>                                                   plan_;
    std::vector<std::function<void(weft::engine&)>>                                      registrations_;
    std::vector<std::pair<std::pair<std::string, std::string>, std::unique_ptr<script>>> scripts_;
    std::vector<std::string>                                                             calls_;
    std::vector<submission>                                                              submissions_;
    std::unique_ptr<process>                                                             process_;
    std::vector<std::unique_ptr<process>>                                                peers_;
    std::vector<std::shared_ptr<struct fault_plan>>                                      peers_plans_;
    std::uint64_t                                                                        next_seed_ = 1;
    std::uint64_t                                                                        next_turn_ = 0;
    std::optional<std::uint64_t> unended_at_;  // the store's version when something had not ended
};

/// A workflow in an environment: as weft::handle, but nothing is awaited, and a rollback is a value.
/// Lifetimes: the environment outlives it; crashes do not matter.
template <class R, class... Input>
class handle<R(Input...)>
{
public:
    handle(environment& env, std::string name) : environment_(&env), name_(std::move(name)) { }

    /// `execute(gid [, input])`: runs the workflow to its end. A rollback is a value; anything else that goes wrong is thrown (unfinished,
    /// unreadable_result, misuse, …). Survives crashes planted meanwhile: the caller asks again with the same gid, as callers do.
    template <class Gid, class... Given>
    boost::system::result<R, failure> execute(Gid&& id, Given const&... input) const
    {
        auto const ended = environment_->execute_text(name_, detail::to_gid(std::forward<Gid>(id)), encode(input...));
        if (ended.failed)
            return failure::recorded(ended.text, ended.details, ended.gid);
        if constexpr (std::is_void_v<R>)
            return {};
        else
            return {boost::system::in_place_value, detail::committed_result<R>(ended.text, ended.gid)};
    }

    /// `submit(gid [, input])`: submits, without running anything yet. Repeated after a crash. What is wrong with it (misuse) is thrown by
    /// `finish`.
    template <class Gid, class... Given>
    void submit(Gid&& id, Given const&... input) const
    {
        environment_->submit_text(name_, detail::to_gid(std::forward<Gid>(id)), encode(input...));
    }

    /// The same workflow in one of the environment's engines, for what only a weft::handle has: completion tokens, options.
    weft::handle<R(Input...)> of(weft::engine& e) const { return weft::handle<R(Input...)>(e, name_); }

    std::string const& name() const noexcept { return name_; }

private:
    template <class... Given>
    static std::string encode(Given const&... input)
    {
        auto const text = []<class... More>(std::string given, More const&...) {
            static_assert(sizeof...(More) == 0, "weft: after the gid comes the input if the workflow takes one, and nothing else");
            return given;
        };
        return detail::call_arguments<Input...>::split(text, input...);
    }

    environment* environment_;
    std::string  name_;
};

}  // namespace testing
}  // namespace v0
}  // namespace weft
