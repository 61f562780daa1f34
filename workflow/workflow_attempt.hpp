// One try at a workflow: runs the body against the journal and appends to it. The heart.
//
// An attempt does one thing at a time: it writes, or it waits for an operation, or for a retry. Each of these ends in one of the
// three ways on (on_written, on_answer, on_timer), and each of those ends in the next thing or in the end of the attempt.
#pragma once

#include "workflow/attempt.hpp"
#include "workflow/journal.hpp"

#include <weft/detail/program.hpp>

#include <memory>

namespace weft {
inline namespace v0 {
namespace detail {

// How long an operation that was asked to stop may take to do so before its attempt ends without it.
inline constexpr std::chrono::milliseconds grace_after_timeout{100};

// A branch as it was asked for, in words.
std::string describe(verb v, std::string const& name, bool has_arguments, std::uint64_t arguments);

class workflow_attempt final : public attempt, private attempt_core, private local_operation, private limited
{
public:
    using attempt::attempt;
    ~workflow_attempt() override;

    // For a transaction that is about to be created: makes the body, so that an input that does not convert is found before
    // anything is written. Throws misuse(bad_value). `begin_created` follows once the row is durable, with the time it keeps.
    void prepare(program const& p, std::string_view input);
    void begin_created(std::string const& workflow, std::chrono::system_clock::time_point created);

    // Starts (once). `row` is leased to this engine and comes with its journal.
    void begin(program const& p, transaction row, std::string why_not);

    void go_on() override;
    void cancel_requested() override;
    void stop() override;
    void abandon() noexcept override;
    void on_answer(class send&, outcome o, bool permanent) override;

    std::string const& gid() const noexcept override { return gid_; }

private:
    enum class doing : std::uint8_t
    {
        nothing,
        writing,
        performing,
        waiting_to_retry,
        waiting_for_permit,
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
        bool                              refused_before = false;  // in phase 2, in an earlier attempt
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
        class permit permit;       // where its branch is limited
    };

    // attempt_core: what the body sees
    bool                                  ask(branch_call& call) override;
    void                                  wait(std::coroutine_handle<> body) noexcept override { suspended_ = body; }
    void                                  forgotten(branch_call const& call) noexcept override;
    void                                  forgotten(std::source_location const& where) noexcept override;
    std::chrono::system_clock::time_point now() const noexcept override;
    std::string                           uuid() override;
    std::uint64_t                         random() override;

    // limited: a send of its branch may go on
    void on_permit(class permit p) override;

    // local_operation: on the store's thread, while this waits for the write
    bool run(record_writer&) override;

    void on_written(write_result const&, write&) override;
    void on_timer() override;

    bool                replay(branch_call& call, recorded_branch const& recorded);
    bool                read_answer(branch_call& call);
    void                made_and_dropped(std::string const& what, std::source_location const& where);
    void                mismatch(branch_call const* asked, recorded_branch const* recorded);
    void                drive(std::coroutine_handle<> body);
    void                body_ended();
    void                body_threw(bool mistake);
    void                prepare_send();
    bool                taken_by_store();
    void                prepare_local();
    void                send_now();
    bool                has_permit();
    void                permit_returned();
    void                make_recordable(outcome& o, bool& permanent) const;
    void                answered(outcome o, bool permanent);
    void                record(outcome const& o);
    void                no_answer(outcome const& o, bool permanent);
    void                retry();
    void                decide(extend_write::decision d, std::string text, std::string details = {});
    void                log_rollback() const;
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
    void                drop_body() noexcept;
    void                orphan_send() noexcept;
    void                append(entry e);
    void                cancel_rollback();
    undoable*           undo_of_current() noexcept;
    void                register_undo(recorded_branch::state s);
    retry_policy const& policy() const noexcept;

    // How long the branch under way may still be sent; nothing: for ever.
    std::optional<std::chrono::milliseconds> time_left() const;

    bool has_decision() const noexcept { return row_->status != status::prepared; }

    std::unique_ptr<context> context_;
    body                     body_;
    std::coroutine_handle<>  suspended_;
    doing                    doing_ = doing::nothing;
    after_write              then_ = after_write::send;
    bool                     collecting_ = false;  // the body runs only to collect phase 2
    bool                     stop_body_ = false;   // the body is not resumed again
    bool                     body_runs_ = false;   // right now
    bool                     unreadable_ = false;  // a recorded result no longer converts
    bool                     misfit_ = false;      // other code may go on where this one cannot
    bool                     in_phase2_ = false;
    bool                     cancelled_ = false;
    bool                     stopping_ = false;
    bool                     timed_out_ = false;
    bool                     orphaned_ = false;        // a send of this attempt has not returned: not again in this attempt
    bool                     refused_ = false;         // an operation of phase 2 was refused
    bool                     current_intent_ = false;  // the branch under way is in the journal as an intent
    bool                     resent_ = false;          // an earlier send of it may have happened

    std::unique_ptr<recorded_journal> recorded_;  // while it is being replayed
    std::size_t                       next_recorded_ = 0;

    std::vector<undoable>             undoables_;
    boost::intrusive_ptr<branch_call> current_;  // the branch under way
    std::string                       current_id_;
    std::size_t                       phase2_next_ = 0;   // how far phase 2 has come
    undoable*                         second_ = nullptr;  // the branch under way in phase 2
    operation                         op_ = operation::action;
    boost::intrusive_ptr<class send>  send_;    // until it has answered
    class permit                      permit_;  // for the send that is about to be made
    std::uint64_t                     asked_ = 0;
    std::uint64_t                     uuids_ = 0, randoms_ = 0;

    std::string   entries_;             // not yet durable
    bool          sent_again_ = false;  // all that they say is that an operation is sent again
    std::uint32_t entry_count_ = 0;
    std::uint64_t entries_total_ = 0;
    std::uint32_t open_entries_ = 0;  // in the unsealed part, those not yet durable included
    std::size_t   open_bytes_ = 0;
    std::uint32_t parts_ = 0;
    std::int64_t  last_at_ = 0;
    std::int64_t  asked_at_ = 0;  // of the branch under way: the time of the entry before it

    extend_write::decision    decision_ = extend_write::decision::none;  // being written
    park_write                parking_;
    std::unique_ptr<in_store> local_;  // while the store does the operation itself
    std::string               pause_reason_;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
