// The engine behind its façade: owns the parts, tells each what the others bring about, and is what attempts
// see of it all. Everything runs on one strand; the strand is the lock.
//
// A part knows the context and, of the others, only those that stand above it here:
//
//     context                     strand, store, clock, options, whether the engine stops
//     programs, running           what is registered; what is in memory, and how much more may be
//     branch_limits, same_database_probe, orphans, xa_sweep, blockages, polls
//     incarnation                 registers, beats, buries the dead
//     claims                      what is due
//     committer, local_writes     what is to be written
//     callers                     what of it callers wait for
//     waiters                     who waits for which end
//     attempts                    how they begin, and what becomes of them
//     submissions, pattern_requests, requests
//     engine_stop
//
// What has to go the other way a part says to its host, which is the engine.
#pragma once

#include "workflow/engine/attempts.hpp"
#include "workflow/engine/blockages.hpp"
#include "workflow/engine/callers.hpp"
#include "workflow/engine/claims.hpp"
#include "workflow/engine/incarnation.hpp"
#include "workflow/engine/intake.hpp"
#include "workflow/engine/orphans.hpp"
#include "workflow/engine/pattern_requests.hpp"
#include "workflow/engine/polls.hpp"
#include "workflow/engine/programs.hpp"
#include "workflow/engine/requests.hpp"
#include "workflow/engine/running.hpp"
#include "workflow/engine/same_database_probe.hpp"
#include "workflow/engine/stop.hpp"
#include "workflow/engine/submissions.hpp"
#include "workflow/engine/waiters.hpp"
#include "workflow/engine/xa_sweep.hpp"
#include "workflow/runtime/branch_limits.hpp"
#include "workflow/runtime/callbacks.hpp"
#include "workflow/runtime/context.hpp"
#include "workflow/runtime/local_writes.hpp"

#include <boost/asio/dispatch.hpp>

namespace weft {
inline namespace v0 {
namespace detail {

class engine_impl final : public std::enable_shared_from_this<engine_impl>,
                          private polls_host,
                          private committer_host,
                          private incarnation_host,
                          private claims_host,
                          private attempt_maker,
                          public attempt_host
{
public:
    template <class T>
    using done = std::unique_ptr<completion<T>>;

    engine_impl(boost::asio::any_io_executor executor, weft::store& store, engine_options options);
    ~engine_impl();

    // --- registration: before anything runs
    void add_program(std::string name, std::unique_ptr<program> p);
    void declare(std::string name) { programs_.declare(std::move(name)); }
    void add_resource(xa_participant& resource);
    void add_manager(manager_options const& options);

    // --- ways in: on the strand
    branch_limits&    limits() noexcept override { return operations_.limits; }
    submissions&      submitted() noexcept { return ways_in_.submitted; }  // `create_within`: any thread
    requests&         asked() noexcept { return ways_in_.asked; }
    pattern_requests& patterns() noexcept { return ways_in_.patterns; }
    engine_stop&      end() noexcept { return stop_; }
    void              claim() { claims_.claim(); }

    // --- from anywhere

    // From now on nothing is sent, written or answered. What is in memory goes with the last handler.
    void abandon() noexcept { context_.abandon(); }

    // Store and resources outlive the engine, so their threads are waited for.
    void join_threads() noexcept;

    // Where answers come in; once, by the façade.
    void open_gate();

    weft::store&                        store() const noexcept { return context_.store(); }
    boost::asio::any_io_executor const& outer() const noexcept { return context_.outer(); }
    std::size_t transactions_in_memory() const noexcept { return running_.in_memory(); }
    std::size_t operations_in_flight() const noexcept { return operations_.orphans.in_flight(); }

    bool may_act() const override { return incarnation_.may_act(); }

    // --- threads
    auto strand() const { return context_.strand(); }

    // Runs `job` on a lane, then `then(error, result)` on the strand.
    template <class Job, class Then>
    void on_store(lane l, Job job, Then then)
    {
        context_.on_store(l, std::move(job), std::move(then));
    }
    void on_store(lane l, auto job) { context_.on_store(l, std::move(job)); }

private:
    // --- what attempts see
    engine_context& context() noexcept override { return context_; }
    committer&      commits() noexcept override { return committer_; }
    local_writes&   operations_in_store() noexcept override { return operations_.in_store; }

    program_limits const& limits_of_programs() const noexcept override { return operations_.of_programs; }
    std::string const&    owner() const noexcept override { return incarnation_.id(); }

    void hold(attempt& a) override { incarnation_.hold(a); }
    void decided(attempt& a) override { attempts_.decided(a); }
    void ended(attempt& a, ended_as how) override { attempts_.ended(a, how); }
    void reload(attempt& a) override { attempts_.reload(a); }
    void cannot_park(attempt& a, park_write w, std::string const& why) override
    {
        attempts_.cannot_park(a, std::move(w), why);
    }
    void find(std::string gid, attempt_host::found then) override
    {
        attempts_.find(std::move(gid), std::move(then));
    }

    void delivery_began() noexcept override { operations_.orphans.began(); }
    void delivery_returned(std::string const& gid, bool orphan) override;
    void orphan(delivery& d, std::chrono::nanoseconds undo_from) noexcept override;

    std::optional<bool> same_database(participant_database& db, attempt& a) override
    {
        return operations_.probe.ask(db, a);
    }

    void enter_code(std::string const& gid, std::string const& branch_id, std::int64_t position) override
    {
        blockages_.enter(gid, branch_id, position);
    }
    void leave_code(std::string const& gid) override
    {
        blockages_.leave(gid, [this] { return may_act(); });
    }

    remote_caller&          remote() const noexcept override { return ways_in_.patterns.remote(); }
    pattern_settings const& pattern_defaults() const noexcept override
    {
        return ways_in_.patterns.defaults();
    }
    void branch_error(transaction const& t, std::string const& url, std::string const& error,
                      std::uint32_t before, std::uint32_t times) override
    {
        ways_in_.patterns.branch_error(t, url, error, before, times);
    }

    // --- what the parts bring about for one another
    void store_has_changed() override;
    void polled() override { waiters_.look_for_vanished(); }

    void                     committer_idle() override { stop_.check(); }
    std::chrono::nanoseconds last_beat() const noexcept override { return incarnation_.last_beat(); }

    void alive() override;
    void lifeless(std::exception_ptr error) override { callers_.give_up_all(error); }
    void lost() override;
    void released() override { claims_.claim(); }
    void cannot_come_to_life() override { stop_.finish(); }

    void begin(transaction row) override { attempts_.begin(std::move(row)); }

    boost::intrusive_ptr<transaction_attempt> attempt_of(std::string const& gid) override;
    void                                      attempt_ended() override { stop_.check(); }

    // What is to be known of an operation before it is sent, while it is under way, and after it.
    struct operations
    {
        branch_limits       limits;
        program_limits      of_programs;
        same_database_probe probe;
        detail::orphans     orphans;
        local_writes        in_store;
    };
    struct ways_in
    {
        submissions      submitted;
        pattern_requests patterns;
        requests         asked;
    };

    // What goes last comes first: what waits for the store leaves those that counted it.
    engine_context context_;
    programs       programs_;
    operations     operations_;
    running        running_;
    blockages      blockages_;
    polls          polls_;
    incarnation    incarnation_;
    claims         claims_;
    callers        callers_;
    committer      committer_;
    waiters        waiters_;
    attempts       attempts_;
    xa_sweep       sweep_;
    ways_in        ways_in_;
    engine_stop    stop_;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
