// A workflow as a program: its body, its branches and its facts. The heart.
//
// The body is moved in turns: one event resumes what waits for it, and the body runs until nothing in it can run. In the
// first run events are the answers, in the order in which they come; in a replay they are the outcomes in the journal, in
// theirs. So the body is led the same way.
#pragma once

#include "workflow/program/branches.hpp"
#include "workflow/program/facts.hpp"
#include "workflow/program/led_body.hpp"
#include "workflow/program/plan.hpp"
#include "workflow/program/readable.hpp"
#include "workflow/program/replay.hpp"
#include "workflow/program/transaction_program.hpp"
#include "workflow/program/verdict.hpp"

#include <weft/retry.hpp>

#include <coroutine>
#include <limits>
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
    std::size_t   payload = 0;  // bytes of arguments, of a result, of a failure's code and payload
    std::size_t   seal_at = 0;
    retry_policy  retry;  // of branches that have none
    std::uint32_t attempts = std::numeric_limits<std::uint32_t>::max();
};

class workflow_program final : public transaction_program, private asked_by_body
{
public:
    // All of these outlive it.
    workflow_program(program_host& host, program_limits const& limits, std::string const& gid)
        : host_(host)
        , limits_(limits)
        , gid_(gid)
        , body_(gid, facts_, limits.payload, *this)
    { }

    ~workflow_program() override { drop_body(); }

    // Makes the body. Throws misuse(bad_value) if the input does not convert.
    void prepare(program const& p, std::string_view input) { body_.prepare(p, input); }

    // Of a transaction that was just created (milliseconds since 1970), or of one that was claimed. `begun` follows.
    void begin(std::int64_t created);
    void begin(transaction const& row, recorded_journal journal);

    // The same of a claimed one with all that may be wrong with it: then it pauses once it has begun. Takes input and journal out of the row.
    // `why_not`: nobody may attempt it any more.
    void begin(program const& code, transaction& row, std::string why_not);

    void on(event&& e, plan& to) override;

    // Facts, and the decision or the end with them.
    void         record(write& to) override { to = record(); }
    extend_write record();

    std::unique_ptr<in_store> here(slot s) override;

    // What cannot be recorded becomes an error that asking again cannot mend.
    void make_recordable(outcome& o, bool& permanent) const;

    program_branch const& at(slot s) const noexcept { return branches_[s]; }
    branch                branch_of(slot s, std::chrono::system_clock::time_point now) const override;
    called                call_of(slot s) const noexcept override
    {
        auto const& b = branches_[s];
        return {b.call.get(), b.op, &b.id};
    }
    status stands_at() const noexcept override { return verdict_.stands_at(); }
    bool   is_undone_by_cancel() const noexcept override { return stands_at() == status::prepared && phase_ != phase::deciding; }
    bool   may_undo_what_has_not_returned() const noexcept override { return phase_ != phase::second; }
    std::string const* runs_code() const noexcept override { return &body_.last_id(); }

    // Not between an XA intent and its send: another attempt would take the send for lost and number the next one, without end.
    bool can_be_replayed() const noexcept override;

    // For a combinator: whether something else may run while a branch is asked for.
    void side_by_side(bool is) noexcept { side_by_side_ = is; }

    void drop_body() noexcept override;

private:
    friend class in_store;

    enum class phase : std::uint8_t
    {
        unbegun,
        running,
        collecting,  // the body runs once more, only for what is to be confirmed or undone
        deciding,    // the decision is being written
        second,      // confirmations, or undos
        ending       // it is given back, or the end is being written
    };

    // What the record has that is under way.
    enum class writing : std::uint8_t
    {
        nothing,
        facts,
        decision,
        end,
        here,         // by the store, with its operation
        here_and_end  // likewise
    };

    // What happens once nothing is under way any more.
    struct closing
    {
        std::optional<plan::parking> park;  // else it is decided
        extend_write::decision       decide = extend_write::decision::none;
        std::string                  text, details;
    };

    // asked_by_body
    bool asked(branch_call& call) override;
    void waits(std::coroutine_handle<> body) noexcept override;

    bool may_come(event const& e) const noexcept;
    void handle(event& e);
    bool collecting() const noexcept { return phase_ == phase::collecting; }
    bool is_writing() const noexcept { return writing_ != writing::nothing; }
    bool store_writes() const noexcept { return writing_ == writing::here || writing_ == writing::here_and_end; }

    // Turns
    void turn(std::coroutine_handle<> what);
    void after_turn();
    bool matches(branch_call const& call, recorded_branch const& recorded) const;
    void set_recorded(branch_call& call, recorded_branch const& recorded) const;
    void mismatch(branch_call const* asked, recorded_branch const* recorded);
    void body_ended();
    void body_threw(bool mistake);
    void collected();

    // Branches
    void                ask_for(slot s);
    void                announce(slot s);
    void                go_on();
    void                send_ready();
    void                send(slot s);
    void                answered(event& e);
    void                done_here(event& e);
    void                resume_with(slot s, outcome o);
    void                record_outcome(slot s, outcome const& o);
    void                no_answer(slot s, outcome const& o, bool permanent);
    void                durable(event& e);
    void                not_written(event& e);
    extend_write        record_for_store();
    void                add_here(slot s, outcome const& said, extend_write& to, std::int64_t now);
    void                put_back(extend_write const& w);
    void                written(extend_write const& w);
    void                decide_otherwise(extend_write& w);
    std::uint32_t       sends_to_keep() const noexcept;
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

    program_host&        host_;
    program_limits const limits_;
    std::string const&   gid_;

    class facts    facts_;
    led_body       body_;
    class replay   replay_;
    class branches branches_;
    class verdict  verdict_;

    phase                    phase_ = phase::unbegun;
    writing                  writing_ = writing::nothing;
    std::unique_ptr<closing> closing_;

    bool cancelled_ = false;
    bool stopping_ = false;
    bool orphaned_ = false;  // an operation has not returned: nothing is sent again in this attempt
    bool side_by_side_ = false;

    std::uint32_t attempts_ = 1;
    std::uint32_t sends_ = 0;  // as the row keeps them
    std::string   last_error_;
    std::int64_t  now_ = 0;
    plan*         plan_ = nullptr;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
