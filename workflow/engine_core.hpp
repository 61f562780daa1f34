// The engine behind its façade: owns the parts, tells each what the others bring about, and is what attempts
// see of it all. Everything runs on one strand; the strand is the lock.
#pragma once

#include "workflow/engine/attempts.hpp"
#include "workflow/engine/blockages.hpp"
#include "workflow/engine/branch_limits.hpp"
#include "workflow/engine/callbacks.hpp"
#include "workflow/engine/callers.hpp"
#include "workflow/engine/claims.hpp"
#include "workflow/engine/context.hpp"
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
#include "workflow/local_writes.hpp"

#include <boost/asio/dispatch.hpp>

namespace weft {
inline namespace v0 {
namespace detail {

class engine_core final : public std::enable_shared_from_this<engine_core>,
                          private polls_host,
                          private committer_host,
                          private incarnation_host,
                          private claims_host,
                          private attempt_maker
{
public:
    template <class T>
    using done = std::unique_ptr<completion<T>>;

    engine_core(boost::asio::any_io_executor executor, weft::store& store, engine_options options);
    ~engine_core();

    // --- registration: before anything runs
    void add_program(std::string name, std::unique_ptr<program> p);
    void declare(std::string name) { programs_.declare(std::move(name)); }
    void add_resource(xa_participant& resource);
    void add_manager(manager_options const& options);

    // --- ways in: on the strand
    branch_limits&    limits() noexcept { return operations_.limits; }
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
    void open_way();

    weft::store&                        store() const noexcept { return context_.store(); }
    boost::asio::any_io_executor const& outer() const noexcept { return context_.outer(); }
    std::size_t                         transactions_in_memory() const noexcept { return running_.in_memory(); }
    std::size_t                         operations_in_flight() const noexcept { return operations_.orphans.in_flight(); }

    // --- what attempts use
    std::shared_ptr<answers_way> const& way() const noexcept { return context_.way(); }
    committer&                          commits() noexcept { return committer_; }
    local_writes&                       operations_in_store() noexcept { return operations_.in_store; }
    schedule&                           timers() noexcept { return context_.timers(); }
    weft::clock&                        time() noexcept { return context_.time(); }
    engine_options const&               options() const noexcept { return context_.options(); }
    std::string const&                  owner() const noexcept { return incarnation_.id(); }
    spdlog::logger*                     log() const noexcept { return context_.log(); }
    bool                                stopping() const noexcept { return context_.stopping(); }
    bool                                abandoned() const noexcept { return context_.abandoned(); }
    double                              jitter() { return context_.jitter(); }
    std::int64_t                        now_ms() const { return context_.now_ms(); }

    void count(counters::event e, std::uint64_t n = 1) noexcept { context_.count(e, n); }
    void report(trouble const& t) { detail::report(context_, t); }
    bool is_trouble(std::uint32_t before, std::uint32_t times) const noexcept { return context_.is_trouble(before, times); }

    // False: the last confirmed beat is too old to send or answer anything. The attempt is resumed (`go_on`)
    // or abandoned later.
    bool may_act() const { return incarnation_.may_act(); }
    void hold(attempt& a) { incarnation_.hold(a); }

    // An attempt's milestones.
    void decided(attempt& a) { attempts_.decided(a); }
    void ended(attempt& a, ended_as how) { attempts_.ended(a, how); }
    void reload(attempt& a) { attempts_.reload(a); }
    void cannot_park(attempt& a, park_write parking, std::string const& why) { attempts_.cannot_park(a, std::move(parking), why); }
    void find(std::string gid, attempts::found then) { attempts_.find(std::move(gid), std::move(then)); }

    // Sends in flight: `began` once sent, `returned` once it has answered; an attempt that does not wait any
    // more orphans it. `undo_from`: since boot; max: not at all.
    void operation_began() noexcept { operations_.orphans.began(); }
    void orphan(class send& s, std::chrono::nanoseconds undo_from) noexcept;
    void operation_returned(std::string const& gid, bool orphan);

    std::optional<bool> same_database(participant_database& db, attempt& a) { return operations_.probe.ask(db, a); }

    limiter* limit_of(std::string const& branch_name) noexcept { return operations_.limits.of(branch_name); }
    void     permit_awaited(limiter& l) { operations_.limits.awaited(l); }
    void     permit_returned(std::string const& branch_name) { operations_.limits.returned(branch_name); }

    // Of patterns
    remote_caller&          remote() const noexcept { return ways_in_.patterns.remote(); }
    pattern_settings const& pattern_defaults() const noexcept { return ways_in_.patterns.defaults(); }
    void branch_error(transaction const& t, std::string const& url, std::string const& error, std::uint32_t before, std::uint32_t times)
    {
        ways_in_.patterns.branch_error(t, url, error, before, times);
    }

    // Around user code on the strand, for the watchdog.
    class user_code
    {
    public:
        user_code(engine_core& e, std::string const& gid, std::string const& branch_id, std::int64_t position) : engine_(e), gid_(gid)
        {
            e.blockages_.enter(gid, branch_id, position);
        }
        ~user_code()
        {
            engine_.blockages_.leave(gid_, [this] { return engine_.may_act(); });
        }
        user_code(user_code const&) = delete;

    private:
        engine_core&       engine_;
        std::string const& gid_;
    };

    // --- threads
    auto strand() const { return context_.strand(); }
    bool on_strand() const noexcept { return context_.is_on_strand(); }
    void on_strand(auto f) { context_.on_strand(std::move(f)); }  // later

    // Runs `job` on a lane, then `then(error, result)` on the strand.
    template <class Job, class Then>
    void on_store(lane l, Job job, Then then)
    {
        context_.on_store(l, std::move(job), std::move(then));
    }
    void on_store(lane l, auto job) { context_.on_store(l, std::move(job)); }

private:
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

    boost::intrusive_ptr<attempt> attempt_of(std::string const& gid) override;
    void                          attempt_ended() override { stop_.check(); }

    // What is to be known of an operation before it is sent, while it is under way, and after it.
    struct operations
    {
        branch_limits       limits;
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
