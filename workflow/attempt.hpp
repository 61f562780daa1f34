// One try at moving one transaction forward: runs the body against the journal and appends to it. The heart.
//
// An attempt does one thing at a time: it writes, or it waits for an operation, or for a retry. Each of these ends in one of the
// three ways on (on_written, on_answer, on_timer), and each of those ends in the next thing or in the end of the attempt.
#pragma once

#include "workflow/committer.hpp"
#include "workflow/journal.hpp"
#include "workflow/schedule.hpp"

#include <weft/detail/program.hpp>

#include <memory>
#include <mutex>

namespace weft {
inline namespace v0 {
namespace detail {

class engine_core;

enum class ended_as : std::uint8_t
{
    finished,  // the final row is durable
    parked,    // given back to the store; due again, or paused
    fenced     // somebody else goes on
};

// The way for answers into the engine, shared by it and its sends. Answers come from any thread and at any time, also when the
// engine is gone and its executor's context with it: then the way is closed.
class answers_way
{
public:
    explicit answers_way(std::shared_ptr<engine_core> engine) : engine_(std::move(engine)) { }

    // From now on nothing gets in. Returns once nothing is on its way any more.
    void close() noexcept
    {
        std::shared_ptr<engine_core> gone;
        std::lock_guard              lock(mutex_);
        gone.swap(engine_);
    }

    // Calls `f(engine)` while the engine cannot go, if it has not gone.
    template <class F>
    void enter(F f)
    {
        std::lock_guard lock(mutex_);
        if (engine_)
            f(engine_);
    }

private:
    std::mutex                   mutex_;
    std::shared_ptr<engine_core> engine_;
};

// One send that has not answered yet.
class send final : public performance
{
public:
    send(std::shared_ptr<answers_way> way, boost::intrusive_ptr<branch_call> call) : way_(std::move(way)), call_(std::move(call)) { }
    boost::asio::any_io_executor     executor() const override;
    std::shared_ptr<weft::transport> transport() const override;
    http_headers const*              headers() const noexcept override { return call_->headers.get(); }
    void                             answer(outcome o, bool permanent) noexcept override;

    class attempt* waiting = nullptr;  // strand only, or while the engine goes; null once the attempt does not wait any more

private:
    std::shared_ptr<answers_way>      way_;
    boost::intrusive_ptr<branch_call> call_;  // keeps the operation and its arguments
};

inline constexpr std::string_view cancelled_reason = "cancelled";

// For reasons and logs: what is not UTF-8 is made readable.
std::string readable(std::string text);

// A branch as it was asked for, in words.
std::string describe(verb v, std::string const& name, bool has_arguments, std::uint64_t arguments);

class attempt final : public write_sink, public timer, private attempt_core, private local_operation
{
public:
    attempt(engine_core& engine, std::string gid) : engine_(engine), row_(std::make_unique<transaction>()), gid_(std::move(gid)) { }
    ~attempt() override;

    // For a transaction that is about to be created: makes the body, so that an input that does not convert is found before
    // anything is written. Throws misuse(bad_value). `begin_created` follows once the row is durable, with the time it keeps.
    void prepare(program const& p, std::string_view input);
    void begin_created(std::string const& workflow, std::chrono::system_clock::time_point created);

    // Starts (once). `row` is leased to this engine and comes with its journal.
    void begin(program const& p, transaction row);

    // Goes on after the engine made it wait.
    void go_on();

    // Somebody asked to cancel, and the request is durable.
    void cancel_requested();

    // The engine stops: park at the next point where nothing is lost.
    void stop();

    // As in a crash: nothing more is sent or written. The engine drops its reference.
    void abandon() noexcept;

    void on_answer(outcome o, bool permanent);

    std::string const& gid() const noexcept override { return gid_; }
    transaction const& row() const noexcept { return *row_; }
    bool               has_decision() const noexcept { return row_->status != status::prepared; }

    // Whether it knew of a request to cancel when it was parked.
    bool parked_cancelled() const noexcept { return parked_cancelled_; }

private:
    friend class send;

    enum class doing : std::uint8_t
    {
        nothing,
        writing,
        performing,
        waiting_to_retry,
        held,  // for a beat, for the answer whether a database is the store's own, or for a reload
        ended
    };
    enum class after_write : std::uint8_t
    {
        send,      // the operation that the body waits for
        phase2,    // the next operation of phase 2
        finished,  // the final row
        park,      // the entries are safe: now the parking
        parked
    };

    // A branch with an undo, as far as this attempt knows it.
    struct undoable
    {
        boost::intrusive_ptr<branch_call> call;
        std::string                       id;
        recorded_branch::state            is = recorded_branch::state::sent;
        recorded_branch::phase2           second = recorded_branch::phase2::open;
        bool                              maybe = false;
        unsigned                          send = 1;
    };

    // An operation that the store does itself, and its journal entry with it.
    struct in_store
    {
        extend_write pending;    // what was pending before it
        extend_write extension;  // that, and its entry
        outcome      said;
        bool         permanent = false;
        bool         ran = false;  // the extension is that of a success
    };

    // attempt_core: what the body sees
    bool                                  ask(branch_call& call) override;
    void                                  wait(std::coroutine_handle<> body) noexcept override { suspended_ = body; }
    std::chrono::system_clock::time_point now() const noexcept override;
    std::string                           uuid() override;
    std::uint64_t                         random() override;

    // local_operation: on the store's thread, while this waits for the write
    bool run(record_writer&) override;

    void on_written(write_result const&, write&) override;
    void on_timer() override;

    bool                replay(branch_call& call, recorded_branch const& recorded);
    void                mismatch(branch_call const* asked, recorded_branch const* recorded);
    void                drive(std::coroutine_handle<> body);
    void                body_ended();
    void                prepare_send();
    bool                taken_by_store();
    void                prepare_local();
    void                send_now();
    void                make_recordable(outcome& o, bool& permanent) const;
    void                answered(outcome o, bool permanent);
    void                record(outcome const& o);
    void                no_answer(outcome const& o, bool permanent);
    void                retry();
    void                decide(extend_write::decision d, std::string text);
    void                collected();
    void                begin_phase2();
    void                next_in_phase2();
    bool                needs_phase2(undoable const& u) const noexcept;
    operation           phase2_operation(undoable const& u) const noexcept;
    bool                rolling_back() const noexcept;
    bool                is_last_in_phase2() const noexcept;
    std::string         where() const;
    void                write_entries(after_write then, extend_write::decision d = extend_write::decision::none, bool finish = false);
    extend_write        extension(extend_write::decision d, bool finish);
    void                extended(extend_write const& w);
    void                pause(std::string reason);
    void                park(std::chrono::milliseconds due_in, bool keep_attempts, std::string last_error);
    void                write_park();
    void                end(ended_as how);
    void                drop_body() noexcept;
    void                orphan_send() noexcept;
    void                append(entry e);
    void                cancel_rollback();
    undoable*           undo_of_current() noexcept;
    void                register_undo(recorded_branch::state s);
    retry_policy const& policy() const noexcept;

    engine_core&                 engine_;
    std::unique_ptr<transaction> row_;  // what of it is needed; input and journal are dropped once read
    std::string                  gid_;
    std::unique_ptr<context>     context_;
    body                         body_;
    std::coroutine_handle<>      suspended_;
    doing                        doing_ = doing::nothing;
    after_write                  then_ = after_write::send;
    bool                         collecting_ = false;  // the body runs only to collect phase 2
    bool                         stop_body_ = false;   // the body is not resumed again
    bool                         in_phase2_ = false;
    bool                         cancelled_ = false;
    bool                         parked_cancelled_ = false;
    bool                         stopping_ = false;
    bool                         timed_out_ = false;
    bool                         orphaned_ = false;        // a send of this attempt has not returned: not again in this attempt
    bool                         refused_ = false;         // an operation of phase 2 was refused
    bool                         current_intent_ = false;  // the branch under way is in the journal as an intent
    bool                         resent_ = false;          // an earlier send of it may have happened

    std::unique_ptr<recorded_journal> recorded_;  // while it is being replayed
    std::size_t                       next_recorded_ = 0;

    std::vector<undoable>             undoables_;
    boost::intrusive_ptr<branch_call> current_;  // the branch under way
    std::string                       current_id_;
    std::size_t                       phase2_next_ = 0;   // how far phase 2 has come
    undoable*                         second_ = nullptr;  // the branch under way in phase 2
    operation                         op_ = operation::action;
    boost::intrusive_ptr<class send>  send_;  // until it has answered
    std::uint64_t                     asked_ = 0;
    std::uint64_t                     uuids_ = 0, randoms_ = 0;

    std::string   entries_;  // not yet durable
    std::uint32_t entry_count_ = 0;
    std::uint64_t entries_total_ = 0;
    std::uint32_t open_entries_ = 0;  // in the unsealed part, those not yet durable included
    std::size_t   open_bytes_ = 0;
    std::uint32_t parts_ = 0;
    std::int64_t  last_at_ = 0;

    extend_write::decision    decision_ = extend_write::decision::none;  // being written
    park_write                parking_;
    std::unique_ptr<in_store> local_;  // while the store does the operation itself
    std::string               pause_reason_;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
