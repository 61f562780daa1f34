// One try at moving one transaction forward: carries out what its program wants.
//
// It owns the row and the position, has at most one write under way, and knows what is on its way out. I1 and I5 stand here: each write
// names the position that it extends, and nothing that a plan sends leaves before what it rests on is durable, since the program asks for
// it only then.
#pragma once

#include "workflow/attempt/attempt.hpp"
#include "workflow/attempt/attempt_host.hpp"
#include "workflow/attempt/outgoing.hpp"
#include "workflow/program/in_store.hpp"
#include "workflow/program/workflow_program.hpp"
#include "workflow/runtime/committer.hpp"

#include <weft/store.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weft {
inline namespace v0 {
namespace detail {

// How long an operation that was asked to stop may take to do so before its attempt goes on without it.
inline constexpr std::chrono::milliseconds grace_after_timeout{100};

// All on the engine's strand.
class transaction_attempt final : public attempt, private program_host, private local_operation
{
public:
    transaction_attempt(attempt_host& host, std::string gid);
    ~transaction_attempt() override;

    // Starts (once): a workflow that has just been created. Before that, `prepare` makes its body; throws misuse(bad_value) if the input does
    // not convert.
    void prepare(program const& code, std::string_view input);
    void begin_created(std::string const& workflow, std::chrono::system_clock::time_point created);

    // Starts (once) what has been leased to this engine: a workflow, with its journal; or, without code, a transaction of one of dtm's modes
    // with its operations. `why_not`: nobody may attempt the workflow any more.
    void begin(program const* code, transaction row, std::string why_not);

    void go_on() override;
    void cancel_requested() override;
    void decided_for() override;
    void stop() override;
    void abandon() noexcept override;

    // One of its sends has returned; its time has come; it may go on.
    void on_answer(outgoing& o, delivery& sent, outcome said, bool permanent);
    void on_timer(outgoing& o);
    void on_permit(outgoing& o, class permit p);

private:
    enum class doing : std::uint8_t
    {
        nothing,
        writing,
        parking,
        reading,  // the row, once more
        ended
    };

    // program_host
    std::optional<bool> done_by_store(slot of, branch_call const& call, operation op) override;
    double              jitter() override;

    // local_operation: on the store's thread, while this waits for the write
    bool run(record_writer&) override;

    void on_written(write_result const&, write&) override;

    void end(ended_as how);
    void tell(event&& e);
    void hear(event&& e, plan& p);
    void carry_out(plan& p);
    void say(plan& p);
    void warn_of_trouble(plan const& p);

    // Sending
    void                      deliver(outgoing& o);
    bool                      has_permit(outgoing& o);
    void                      permit_returned(outgoing& o);
    void                      perform(outgoing& o);
    bool                      perform_inline(outgoing& o, called const& what, branch const& where);
    void                      start(outgoing& o, called const& what, branch where, bool scripted);
    void                      start_remote(outgoing& o);
    void                      perform_here(outgoing& o);
    void                      withdraw(outgoing& o);
    void                      stop_waiting(bool held_too);
    void                      orphan(outgoing& o) noexcept;
    std::chrono::milliseconds timeout(outgoing const& o) const;

    // Writing
    template <class Write>
    void                      add_place(Write& w) const;
    void                      write_record();
    void                      not_written(write_result const& r, write& w);
    void                      met_cancel(write&& w);
    void                      durable(event&& e, std::int64_t position);
    void                      extended(extend_write const& w);
    std::unique_ptr<in_store> here_returned();
    void                      done_here();
    void                      refused_here(write_result const& r);
    void                      fenced(enum written what);
    void                      park_as(plan::parking p);
    void                      write_park();
    void                      reread();
    void                      on_reread(std::exception_ptr const& error, std::optional<transaction> row);

    attempt_host&                        host_;
    engine_context&                      context_;
    std::unique_ptr<transaction_program> program_;
    outgoing_operations                  outgoing_;
    doing                                doing_ = doing::nothing;
    bool                                 stopping_ = false;
    bool                                 despite_cancel_ = false;  // it began with a request to cancel, or decided
    bool                                 read_again_ = false;      // what is being read may be what was before
    std::unique_ptr<park_write>          parking_;                 // to be written next
    std::unique_ptr<in_store>            here_;                    // while the store does an operation itself
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
