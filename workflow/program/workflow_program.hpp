// A workflow as a program: its body, its branches and its facts. The heart.
//
// The body is moved in turns: one event resumes what waits for it, and the body runs until nothing in it can run. In the
// first run events are the answers, in the order in which they come; in a replay they are the outcomes in the journal, in
// theirs. So the body is led the same way.
#pragma once

#include "workflow/program/facts.hpp"
#include "workflow/program/plan.hpp"
#include "workflow/program/readable.hpp"
#include "workflow/program/replay.hpp"

#include <weft/detail/program.hpp>
#include <weft/retry.hpp>

#include <coroutine>
#include <memory>
#include <string>

namespace weft {
inline namespace v0 {
namespace detail {

// A branch as it was asked for, in words.
std::string describe(verb v, std::string const& name, bool has_arguments, std::uint64_t arguments);

inline constexpr std::string_view cancelled_reason = "cancelled";

// What a program asks of where it runs.
class program_host
{
public:
    // Whether the store does this operation itself, beside its fact. Nothing: that is being found out, and `due` follows.
    virtual std::optional<bool> done_by_store(slot of, branch_call const& call, operation op) = 0;

    virtual double jitter() = 0;  // from 0 to 1

protected:
    ~program_host() = default;
};

struct program_limits
{
    std::size_t  payload = 0;  // bytes of arguments, of a result, of a failure's code and payload
    std::size_t  seal_at = 0;
    retry_policy retry;  // of branches that have none
};

// A branch in its program: a slot.
struct program_branch
{
    enum class progress : std::uint8_t
    {
        free,       // of a step that has ended
        asked,      // the body waits for it
        intended,   // likewise, and its intent is a fact: it may have been sent
        succeeded,  // of what can be undone
        failed
    };

    boost::intrusive_ptr<branch_call> call;
    std::string                       id;
    std::coroutine_handle<>           waits;
    operation                         op = operation::action;  // the one under way, or the next
    progress                          is = progress::free;
    recorded_branch::phase2           second = recorded_branch::phase2::open;
    bool                              maybe = false;           // failed, but an earlier send may have happened
    bool                              refused_before = false;  // in phase 2, in an earlier attempt
    bool                              resent = false;          // an earlier send of the operation may have happened
    bool                              under_way = false;
    bool                              here = false;   // the store does the operation itself
    bool                              named = false;  // a fact says verb, name and arguments
    unsigned                          xa_send = 1;
    std::uint32_t                     sends = 0;     // of the operation
    std::int64_t                      asked_at = 0;  // when the last fact before it happened
    std::uint64_t                     rests_on = 0;  // so many facts are durable before the operation is sent
};

class workflow_program final : private attempt_core
{
public:
    workflow_program(program_host& host, program_limits const& limits, std::string const& gid) : host_(host), limits_(limits), gid_(gid) { }
    ~workflow_program() { drop_body(); }

    // Makes the body. Throws misuse(bad_value) if the input does not convert.
    void prepare(program const& p, std::string_view input);

    // Of a transaction that was just created (milliseconds since 1970), or of one that was claimed. `begun` follows.
    void begin(std::int64_t created);
    void begin(transaction const& row, recorded_journal journal);

    void on(event&& e, plan& to);

    // What is to be written, without gid, owner and position: facts, and the decision or the end with them. Then `written`
    // and the event `durable`; or `decide_otherwise`, if the decision to commit met a request to cancel, which makes it the
    // same facts with the other decision.
    extend_write record();
    void         written(extend_write const& w);
    void         decide_otherwise(extend_write& w);

    // The same for an operation that the store does: with what is to be written before it, `add_here` adds its fact (on any
    // thread, while nothing else happens here). Then `written` and the event `done_here`; or `put_back` and `answered`.
    extend_write record_for_store();
    void         add_here(slot s, outcome const& said, extend_write& to, std::int64_t now);
    void         put_back(extend_write const& w);

    // What cannot be recorded becomes an error that asking again cannot mend.
    void make_recordable(outcome& o, bool& permanent) const;

    program_branch const& at(slot s) const noexcept { return slots_[s]; }
    std::string           where(slot s) const;
    branch                branch_of(slot s, std::chrono::system_clock::time_point now) const;
    status                stands_at() const noexcept { return status_; }
    bool                  in_second() const noexcept { return phase_ == phase::second; }
    bool                  deciding() const noexcept { return phase_ == phase::deciding; }
    bool                  collecting() const noexcept { return collecting_; }
    bool                  cancelled() const noexcept { return cancelled_; }
    bool                  has_facts() const noexcept { return facts_.pending(); }

    // For tests: whether another attempt could go on from what is written, instead of this one. Not between an XA intent and its
    // send: it would take the send for lost and number the next one, without end.
    bool can_be_replayed() const noexcept;

    std::uint32_t      sends_to_keep() const noexcept;
    std::string const& last_asked() const noexcept { return last_asked_; }

    // For a combinator: whether something else may run while a branch is asked for.
    void side_by_side(bool is) noexcept { side_by_side_ = is; }

    void drop_body() noexcept;

private:
    enum class phase : std::uint8_t
    {
        unbegun,
        running,
        deciding,  // the decision is being written
        second,    // confirmations, or undos
        ending     // it is given back, or the end is being written
    };

    // Why the body is not resumed any more.
    struct halt
    {
        std::string reason;
        bool        misfit = false;      // other code may go on where this one cannot
        bool        unreadable = false;  // a recorded result does not convert any more
    };

    // What happens once nothing is under way any more.
    struct closing
    {
        std::optional<plan::parking> park;  // else it is decided
        extend_write::decision       decide = extend_write::decision::none;
        std::string                  text, details;
    };

    // attempt_core: what the body sees
    bool                                  ask(branch_call& call) override;
    void                                  wait(std::coroutine_handle<> body) noexcept override;
    void                                  forgotten(branch_call const& call) noexcept override;
    void                                  forgotten(std::source_location const& where) noexcept override;
    std::string const&                    gid() const noexcept override { return gid_; }
    std::chrono::system_clock::time_point now() const noexcept override;
    std::string                           uuid() override;
    std::uint64_t                         random() override;

    // Turns
    void turn(std::coroutine_handle<> what);
    void name(branch_call& call, slot s);
    void after_turn();
    bool matches(branch_call const& call, recorded_branch const& recorded) const;
    void set_recorded(branch_call& call, recorded_branch const& recorded) const;
    void fill(program_branch& b, recorded_branch const& recorded) const;
    bool read_answer(branch_call& call, bool recorded);
    void mismatch(branch_call const* asked, recorded_branch const* recorded);
    void made_and_dropped(std::string const& what, std::source_location const& where);
    void stop_body(std::string reason, bool misfit = false, bool unreadable = false);
    void body_ended();
    void body_threw(bool mistake);
    void collected();

    // Branches
    slot                new_slot(branch_call& call);
    void                free(slot s);
    void                ask_for(slot s);
    void                announce(slot s);
    void                go_on();
    void                ask_again(slot s);
    void                send_ready();
    void                send(slot s);
    void                not_sent(program_branch& b) noexcept;
    void                came_back(program_branch& b) noexcept;
    void                answered(event& e);
    void                done_here(event& e);
    void                resume_with(slot s, outcome o);
    void                record_outcome(slot s, outcome const& o);
    void                no_answer(slot s, outcome const& o, bool permanent);
    void                durable();
    retry_policy const& policy(program_branch const& b) const noexcept { return b.call->retry ? *b.call->retry : limits_.retry; }
    std::optional<std::chrono::milliseconds> time_left(program_branch const& b) const;

    // The end
    void       close(closing how);
    static int rank(closing const& c) noexcept;
    void       pause(std::string reason, bool misfit = false);
    void       park(std::chrono::milliseconds due_in, bool keep_attempts, std::string last_error);
    void       decide(extend_write::decision d, std::string text, std::string details = {});
    void       roll_back_cancelled() { decide(extend_write::decision::roll_back, std::string(cancelled_reason)); }
    void       begin_second();
    void       next_in_second();
    bool       is_last_in_second() const noexcept { return !refused_ && second_at_ + 1 == order_.size(); }
    bool       rolling_back() const noexcept { return decision_ == extend_write::decision::roll_back || status_ == status::aborting; }
    bool       needs_second(program_branch const& b) const noexcept;

    program_host&         host_;
    program_limits const& limits_;
    std::string const&    gid_;

    std::unique_ptr<context> context_;
    body                     body_;
    class replay             replay_;
    facts                    facts_;

    boost::container::small_vector<program_branch, 1> slots_;
    boost::container::small_vector<slot, 1>           free_;
    boost::container::small_vector<slot, 1>           asked_;     // and not announced
    boost::container::small_vector<slot, 1>           ready_;     // to be sent once what they rest on is durable
    slot                                              last_ = 0;  // the one that was made last
    std::uint32_t                                     waiting_ = 0;
    std::uint32_t                                     under_way_ = 0;

    phase                                   phase_ = phase::unbegun;
    status                                  status_ = status::prepared;  // as it is written
    extend_write::decision                  decision_ = extend_write::decision::none;
    std::string                             text_, details_;  // of the decision, until it is being written
    boost::container::small_vector<slot, 2> order_;           // of phase 2
    std::size_t                             second_at_ = 0;
    std::optional<halt>                     halt_;
    std::optional<closing>                  closing_;
    std::string                             refusal_;

    bool collecting_ = false;  // the body runs only for what is to be confirmed or undone
    bool cancelled_ = false;
    bool stopping_ = false;
    bool orphaned_ = false;  // an operation has not returned: nothing is sent again in this attempt
    bool refused_ = false;   // an operation of phase 2 was refused
    bool writing_ = false;
    bool decides_ = false;       // what is being written has the decision
    bool ends_ = false;          // likewise the end
    bool nothing_left_ = false;  // to confirm or undo: the end is next
    bool body_runs_ = false;     // right now
    bool side_by_side_ = false;

    std::uint32_t attempts_ = 1;
    std::uint32_t sends_ = 0;  // as the row keeps them
    std::string   last_error_;
    std::string   last_asked_, resumed_;  // ids
    std::uint64_t numbers_ = 0, uuids_ = 0, randoms_ = 0;
    std::int64_t  now_ = 0;
    plan*         plan_ = nullptr;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
