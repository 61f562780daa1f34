// The engine behind its façade: who is alive, who waits, what is due. Everything runs on one strand; the strand is the lock.
#pragma once

#include "workflow/attempt.hpp"
#include "workflow/blockage.hpp"
#include "workflow/caller_write.hpp"
#include "workflow/lanes.hpp"
#include "workflow/local_writes.hpp"
#include "workflow/membership.hpp"
#include "workflow/patterns/pattern.hpp"

#include <weft/transaction_manager.hpp>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>

#include <atomic>
#include <bit>
#include <deque>
#include <map>
#include <mutex>
#include <random>
#include <thread>
#include <unordered_map>
#include <unordered_set>

namespace weft {
inline namespace v0 {
namespace detail {

class watchdog;

inline constexpr std::size_t url_limit = 1'024;  // bytes, as dtm's columns have them
inline constexpr std::size_t gid_limit = 128;    // bytes; of a workflow's name too

// So long may the store fail before callers hear of it.
inline constexpr std::chrono::milliseconds patience{5'000};

// What a column of text takes: PostgreSQL keeps NUL in none.
inline bool is_text(std::string_view s) noexcept { return is_utf8(s) && s.find('\0') == std::string_view::npos; }

// 15 hex digits: a random number of 60 bits that fits a small string.
std::string random_token(std::mt19937_64& random);

std::string what_of(std::exception_ptr const& error);

class engine_core final : public std::enable_shared_from_this<engine_core>
{
public:
    engine_core(boost::asio::any_io_executor executor, weft::store& store, engine_options options);
    ~engine_core();

    // --- registration: before anything runs
    void add_program(std::string name, std::unique_ptr<program> p);
    void declare(std::string name);

    void limit(std::string branch_name, operation_limit limit);

    // --- ways in: on the strand
    template <class T>
    using done = std::unique_ptr<completion<T>>;
    void add_resource(xa_participant& resource);
    bool create_within(std::any const& connection, std::string name, std::string gid, std::string input);  // any thread
    void execute(std::string name, std::string gid, std::string input, execute_options, bool wait_for_end, done<std::string>);
    void query(std::string gid, done<std::optional<transaction>>);
    void list(list_filter, done<std::vector<transaction>>);
    void purge(std::chrono::milliseconds older_than, std::size_t limit, done<std::size_t>);
    void cancel(std::string gid, done<cancel_answer>);
    void resume(std::string gid, done<std::monostate>);
    void resume_all(list_filter, done<std::size_t>);
    void run(done<std::monostate>);

    // Of patterns (engine_patterns.cpp)
    void add_manager(manager_options const& options);
    void prepare(global_transaction t, bool whatever_status, done<transaction>);
    void submit(global_transaction t, bool wait, done<transaction>, bool in_doubt = false);
    void abort(std::string gid, std::string trans_type, std::string reason, bool wait, done<transaction>);
    void force_stop(std::string gid, done<transaction>);
    void finish_elsewhere(std::string gid, status how, std::string reason, std::string result, done<transaction>);
    void register_ops(std::string gid, std::string trans_type, std::vector<branch_op> ops, done<std::monostate>);
    void make_due(std::string gid, done<std::monostate>);
    void claim_again_soon() { claim(); }
    void claim_what_is_ours();

    void stop(std::chrono::milliseconds deadline, done<std::monostate>);

    // Any thread: from now on nothing is sent, written or answered. What is in memory goes with the last handler.
    void abandon() noexcept;

    // Where answers come in; once, by the façade.
    void                                open_way() { way_ = std::make_shared<answers_way>(shared_from_this()); }
    std::shared_ptr<answers_way> const& way() const noexcept { return way_; }
    void                                join_threads() noexcept;

    // --- what attempts use
    committer&            commits() noexcept { return committer_; }
    local_writes&         operations_in_store() noexcept { return local_writes_; }
    schedule&             timers() noexcept { return *schedule_; }
    weft::clock&          time() noexcept { return *options_.clock; }
    engine_options const& options() const noexcept { return options_; }
    std::string const&    owner() const noexcept { return incarnation_; }
    spdlog::logger*       log() const noexcept { return options_.logger.get(); }
    bool                  stopping() const noexcept { return stopping_; }
    bool                  abandoned() const noexcept { return abandoned_.load(std::memory_order_relaxed); }

    // When the last confirmed beat was sent.
    std::chrono::nanoseconds last_beat() const noexcept { return last_beat_; }

    double jitter() { return std::uniform_real_distribution<double>(0.0, 1.0)(random_); }
    void   count(counters::event e, std::uint64_t n = 1) noexcept
    {
        if (options_.counters)
            options_.counters->count(e, n);
    }
    std::int64_t now_ms() const
    {
        return std::chrono::duration_cast<std::chrono::milliseconds>(options_.clock->now().time_since_epoch()).count();
    }

    // False: the last confirmed beat is too old to send or answer anything. The attempt is resumed (`go_on`) or abandoned later.
    bool may_act();
    void hold(attempt& a);

    void committer_idle() { check_stopped(); }

    // Transactions on their way into the store that will run here.
    void is_coming() noexcept { ++creating_; }
    void has_come() noexcept
    {
        --creating_;
        slot_freed();
    }

    // What callers leave waiting for the store.
    void callers_write_waits(std::string const& gid, std::size_t bytes);
    void callers_write_left(std::string const& gid, std::size_t bytes) noexcept;

    // Whether something that callers asked for about this gid, more than these `own`, may still be written; for whoever asks for a
    // transaction also whether it is here already.
    bool may_be_written(std::string const& gid, bool or_is_here, std::size_t own) const noexcept;

    // An attempt's milestones.
    void decided(attempt& a);
    void ended(attempt& a, ended_as how);

    // The store refuses even what would give it back. It stays leased to this engine, which tries now and then.
    void cannot_park(attempt& a, park_write parking, std::string const& why);

    // Nobody attempts what has been claimed.
    void give_back(park_write parking);

    // Sends in flight: `began` once sent, `returned` once it has answered; an attempt that does not wait any more orphans it. Until an
    // orphan has returned its transaction is not attempted again here, but for undoing it, from `undo_from` on (since boot; max: not at all).
    void operation_began() noexcept { operations_in_flight_.fetch_add(1, std::memory_order_relaxed); }
    void orphan(class send& s, std::chrono::nanoseconds undo_from) noexcept;
    void operation_returned(std::string const& gid, bool orphan);

    // Whether a participant's database is the store's own: answers at once if known, else calls `a.go_on()` later.
    std::optional<bool> same_database(participant_database& db, attempt& a);

    // How much of one operation may go on at a time: by the branch's name.
    limiter* limit_of(std::string const& branch_name) noexcept
    {
        if (limits_.empty())
            return nullptr;
        auto const found = limits_.find(branch_name);
        return found == limits_.end() ? nullptr : &found->second;
    }
    void permit_awaited(limiter& l) { serve_at(l.next(time().since_boot())); }
    void permit_returned(std::string const& branch_name);

    // Of patterns
    remote_caller&          remote() noexcept { return *remote_; }
    pattern_settings const& pattern_defaults() const noexcept { return pattern_defaults_; }
    void                    find(std::string gid, std::function<void(std::exception_ptr, std::optional<transaction>)> then);
    void branch_error(transaction const& t, std::string const& url, std::string const& error, std::uint32_t before, std::uint32_t times);

    // Says it to whoever should hear: the log, the counters, the user's callback.
    void report(trouble const& t);

    // Whether it is reported that so many sends had no answer, where `before` of them have been looked at: `trouble_after` of them are, and each
    // time that these have doubled.
    bool is_trouble(std::uint32_t before, std::uint32_t times) const noexcept
    {
        auto const reported = [&](std::uint32_t n) { return std::bit_width(n / options_.trouble_after); };
        return reported(times) > reported(before);
    }

    // Replays from the store (engine_options::replay_always).
    void reload(attempt& a);

    // Around user code on the strand, for the watchdog.
    class user_code
    {
    public:
        user_code(engine_core& e, std::string const& gid, std::string const& branch_id, std::int64_t position);
        ~user_code();
        user_code(user_code const&) = delete;

    private:
        engine_core&       engine_;
        std::string const& gid_;
    };

    // --- threads
    auto strand() const { return strand_; }
    bool on_strand() const noexcept { return strand_.running_in_this_thread(); }
    void on_strand(auto f)  // later
    {
        boost::asio::post(strand_, [self = shared_from_this(), f = std::move(f)]() mutable {
            if (!self->abandoned())
                f();
        });
    }

    // Runs `job` on a lane, then `then(error, result)` on the strand.
    template <class Job, class Then>
    void on_store(lane l, Job job, Then then)
    {
        call(lanes_.at(l), std::move(job), std::move(then));
    }
    void on_store(lane l, auto job)
    {
        if (!abandoned())
            boost::asio::post(lanes_.at(l), [self = shared_from_this(), job = std::move(job)]() mutable {
                if (!self->abandoned())
                    job();
            });
    }

    weft::store&                 store_;
    boost::asio::any_io_executor outer_;
    std::atomic<std::size_t>     transactions_in_memory_{0};
    std::atomic<std::size_t>     operations_in_flight_{0};

private:
    class submission;
    struct resuming;
    void resume_page(std::shared_ptr<resuming> r);

    template <class Job, class Then>
    void call(boost::asio::any_io_executor where, Job job, Then then);

    // Why this cannot be submitted.
    std::optional<misuse> refusal_of_gid(std::string const& gid) const;
    std::optional<misuse> refusal(global_transaction const& t) const;
    void                  check_addresses(global_transaction const& t) const;
    std::optional<misuse> refusal(std::string const& name, std::string const& gid, std::string const& input) const;

    // A write of a caller's: refused at once if too much waits already.
    // `in_doubt`: an earlier write of the same question may have been applied.
    void ask(std::string gid, std::size_t bytes, std::function<write()> make, asking::then then, bool in_doubt = false);
    void ask_when_alive(std::string gid, std::size_t bytes, std::function<write()> make, asking::then then, bool in_doubt = false);

    boost::intrusive_ptr<asking> question(std::string gid, std::size_t bytes, bool needs_life, std::function<write()> make,
                                          asking::then then, bool in_doubt);
    std::optional<store_error>   full(std::size_t bytes, known written) const;
    known                        nothing_written(std::string const& gid, bool asks_for_transaction) const noexcept
    {
        return may_be_written(gid, asks_for_transaction, 0) ? known::in_doubt : known::not_written;
    }

    class unparked;
    enum class life
    {
        unborn,
        enlisting,
        alive,
        gone
    };

    void start();
    void enlist();
    void enlisted(std::exception_ptr error);
    void beat();
    void beaten_at(std::chrono::nanoseconds began, std::exception_ptr error, beaten b);
    void bury(std::vector<heartbeat> dead);

    // User code that blocks.
    void                note_blockage(blockage const& b);
    void                forget_blockage(std::string const& gid);
    std::vector<kv_row> blockages_in_store();
    void                read_blockages(std::vector<kv_row> const& rows);
    void                look_for_blockages();
    std::uint32_t       blocked_before(std::string const& gid, std::int64_t position) const;
    std::string         why_quarantined(transaction const& row) const;
    void                begin_if_not_blocked(transaction row);
    void                begin_leased(transaction row);

    void release_dead();
    void tell_refused(std::string const& rows);
    void lost_incarnation();
    void poll();
    void poll_again();
    template <class Job, class Then>
    void look(Job job, Then then);
    void slot_freed();
    void claim();
    void claim_in(std::chrono::milliseconds delay);
    void let_others_first(std::string const& workflow);

    // Of which workflows, in turn. `all`: also of those of which others come first.
    std::vector<std::string> to_claim(bool all);

    void          claimed_rows(claimed c);
    bool          left_to_others(transaction const& row);
    void          begin(transaction row);
    void          take_up(std::string const& gid);
    void          find_leased(std::string gid, std::function<void(std::exception_ptr, std::optional<transaction>, bool)> then);
    void          look_for_cancels();
    void          look_for_watched();
    void          look_for_vanished();
    void          tell_vanished(std::string const& gid);
    void          watch(std::string const& gid);
    void          join(boost::intrusive_ptr<submission> s);
    std::uint64_t await_end(std::string const& gid, execute_options, done<std::string>);
    void          answer_waiters(transaction const& row);
    static bool   answer_from(transaction const& row, wait w, completion<std::string>& to);
    create_write  creation_of(global_transaction const& t, status s) const;
    void          decide_prepared(global_transaction const& t, bool wait, done<transaction> answer, bool in_doubt);
    void          find_pattern(std::string gid, std::string trans_type, std::string verb,
                               std::function<void(std::exception_ptr, std::optional<transaction>)> then);
    void          decide(decide_write w, bool wait, std::string verb, std::optional<status> already, done<transaction> answer,
                         bool in_doubt = false);
    void          after_decision(std::string gid, std::optional<status> made,
                                 std::function<void(std::exception_ptr, std::optional<transaction>, bool ours)> then);
    void          run_decided(transaction row, bool wait, done<transaction> answer);
    void          run_created(transaction row, bool wait, done<transaction> answer);
    void          cancel_pattern(std::string gid, std::string trans_type, done<cancel_answer> answer, bool in_doubt = false,
                                 status from = status::prepared);
    void          answer_passes(transaction const& row);
    void          check_stopped();
    void          finish_stop();
    void          sign_off();
    void          answer_stops();
    void          tell_stopped(std::string const& gid);
    void          serve(limiter& l);
    void          serve_at(std::optional<std::chrono::nanoseconds> since_boot);

    // Sends of one transaction that have not returned.
    struct orphans
    {
        unsigned                  sends = 0;
        std::chrono::nanoseconds  undo_from{0};
        std::chrono::milliseconds pause{300};  // after which it is due again, when it is claimed here meanwhile
    };

    // Whether a participant's database is the store's own, as far as it is known.
    struct sameness
    {
        bool                                    same = false;
        std::optional<std::chrono::nanoseconds> ask_again;  // since boot; the question failed
    };

    struct deadline_timer final : timer
    {
        deadline_timer(engine_core& e, std::string g, std::uint64_t n) : engine(e), gid(std::move(g)), number(n) { }
        void on_timer() override;

        engine_core&  engine;
        std::string   gid;
        std::uint64_t number;
    };
    struct waiter
    {
        std::uint64_t                   number;
        wait                            until;
        bool                            joined = false;  // the transaction is known to be the one that was asked for
        done<std::string>               to;
        std::unique_ptr<deadline_timer> deadline;

        boost::intrusive_ptr<caller_write> submitted;  // by it, until the transaction is known to be there
    };
    void  join_waiter(std::string const& gid, std::uint64_t number);
    void  drop_waiter(std::string const& gid, std::uint64_t number, std::exception_ptr error);
    known give_up(std::string const& gid, std::uint64_t number);
    void  drop_all_waiters(std::string const& gid, std::exception_ptr error);
    void  go_when_alive(boost::intrusive_ptr<caller_write> w);
    void  go_all();
    void  tell_lifeless(std::exception_ptr const& error);
    known withdraw(caller_write& w);
    void  forget(attempt& a);
    void  tell(std::function<void(transaction const&)> const& callback, transaction const& row);
    void  sweep();
    void  sweep(xa_participant& resource);

    boost::asio::strand<boost::asio::any_io_executor> strand_;
    engine_options                                    options_;
    // From start to stop: while the store works, nothing else would keep the executor's context running.
    std::optional<boost::asio::executor_work_guard<boost::asio::any_io_executor>> work_;
    lanes                                                                         lanes_;
    std::unique_ptr<schedule>                                                     schedule_;
    std::size_t                               creating_ = 0;       // transactions on their way into the store, to run here
    std::size_t                               claiming_room_ = 0;  // as many may come with the claim under way
    std::size_t                               callers_bytes_ = 0;
    std::unordered_multiset<std::string_view> callers_writes_;  // their gids, which are their own
    committer                                 committer_;
    local_writes                              local_writes_;
    std::mt19937_64                           random_;
    std::atomic<bool>                         abandoned_{false};
    std::shared_ptr<answers_way>              way_;

    std::unordered_map<std::string, std::unique_ptr<program>> programs_;
    std::unordered_set<std::string>                           declared_;
    std::vector<std::string>                                  names_;

    life                     life_ = life::unborn;
    std::string              incarnation_;
    std::chrono::nanoseconds last_beat_{0};
    membership               membership_;
    bool                     releasing_ = false;
    std::string              refused_rows_;  // what was said of them last
    std::uint64_t            seen_version_ = 0;
    bool                     look_again_ = false;  // whatever the version says
    unsigned                 looks_ = 0;           // under way
    std::chrono::nanoseconds look_cost_{0};        // what looking has taken since the last poll
    bool                     full_ = false;        // as much is in memory as may be, and there may be more
    bool                     claiming_ = false;
    std::vector<std::string> claim_order_;  // the names, first the one whose turn it is

    // Workflows of which something was left to engines of other code: until when this one takes nothing of them. Who claims when a row is due
    // would always be first.
    std::map<std::string, std::chrono::nanoseconds> others_first_;
    bool                                            claim_again_ = false;
    bool                                            claim_in_doubt_ = false;  // the last one may have leased rows that nobody runs
    bool                                            stopping_ = false;
    bool                                            stopped_ = false;
    bool                                            signing_off_ = false;
    bool                                            stops_answered_ = false;

    std::unordered_map<std::string_view, boost::intrusive_ptr<attempt>> running_;  // key: the attempt's own gid
    std::unordered_map<std::string, std::vector<waiter>>                waiters_;  // gid → who waits for its end
    // Those of them that do not run here, and when it was last made sure that they are there at all.
    std::unordered_map<std::string, std::chrono::nanoseconds> watched_;
    std::unordered_map<std::string, orphans>                  orphans_;  // gid → sends that have not returned
    std::vector<boost::intrusive_ptr<attempt>>                held_;     // wait for a beat
    std::vector<xa_participant*>                              resources_;
    bool                                                      sweeping_ = false;
    std::unordered_set<std::string>                           reported_;  // xids, while a sweep is under way the sweep's
    std::unordered_map<participant_database*, sameness>       same_database_;
    std::unordered_map<participant_database*, std::vector<boost::intrusive_ptr<attempt>>> asking_;
    std::vector<boost::intrusive_ptr<caller_write>>                                       before_alive_;
    std::optional<std::chrono::nanoseconds>                                               lifeless_since_;  // the store's first refusal
    std::unordered_map<std::string, boost::intrusive_ptr<write_sink>>                     unparked_;        // gid → what gives it back
    std::unordered_map<std::string, std::uint64_t>                  reading_;  // gid → the last read of its row to begin with
    std::uint64_t                                                   reads_ = 0;
    std::shared_ptr<remote_caller>                                  remote_;  // null: no patterns here
    pattern_settings                                                pattern_defaults_;
    decltype(manager_options::on_branch_error)                      on_branch_error_;
    std::unordered_map<std::string, std::vector<done<transaction>>> passes_;  // who waits for an attempt's end
    std::vector<done<std::monostate>>                               runs_;
    std::vector<done<std::monostate>>                               stops_;
    std::uint64_t                                                   next_waiter_ = 1;

    call_timer beat_timer_, poll_timer_, claim_timer_, stop_timer_, sweep_timer_, limit_timer_;

    std::map<std::string, limiter> limits_;  // by the branch's name

    std::unique_ptr<watchdog>                 watchdog_;
    std::unordered_map<std::string, blockage> blockages_;  // gid → what the last look has found
};

template <class Job, class Then>
void engine_core::call(boost::asio::any_io_executor where, Job job, Then then)
{
    if (abandoned())
        return;
    boost::asio::post(where, [self = shared_from_this(), job = std::move(job), then = std::move(then)]() mutable {
        if (self->abandoned())
        {
            // What it holds belongs to the strand, and goes there.
            auto& me = *self;
            return boost::asio::post(me.strand_, [self = std::move(self), then = std::move(then)] {});
        }
        using R = std::invoke_result_t<Job&>;
        std::exception_ptr error;
        if constexpr (std::is_void_v<R>)
        {
            try
            {
                job();
            }
            catch (...)
            {
                error = std::current_exception();
            }
            auto& me = *self;
            boost::asio::post(me.strand_, [self = std::move(self), then = std::move(then), error]() mutable {
                if (!self->abandoned())
                    then(error);
            });
        }
        else
        {
            R result{};
            try
            {
                result = job();
            }
            catch (...)
            {
                error = std::current_exception();
            }
            auto& me = *self;
            boost::asio::post(me.strand_, [self = std::move(self), then = std::move(then), error, result = std::move(result)]() mutable {
                if (!self->abandoned())
                    then(error, std::move(result));
            });
        }
    });
}

// A question of the engine's own, which may find something or nothing: what it takes is counted, for the pause before the next poll.
template <class Job, class Then>
void engine_core::look(Job job, Then then)
{
    ++looks_;
    struct found
    {
        std::invoke_result_t<Job&> what{};
        std::chrono::nanoseconds   took{0};
    };
    on_store(
        lane::reads,
        [this, job = std::move(job)]() mutable {
            auto const from = time().since_boot();
            found      f;
            f.what = job();
            f.took = time().since_boot() - from;
            return f;
        },
        [this, then = std::move(then)](std::exception_ptr error, found f) mutable {
            if (stopped_)
                return;
            look_cost_ += f.took;
            then(error, std::move(f.what));
            if (--looks_ == 0)
                poll_again();
        });
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
