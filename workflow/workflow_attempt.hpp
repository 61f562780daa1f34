// One try at a workflow: carries out the plans of its program. It sends and writes, waits and parks; what is to be done,
// the program says.
//
// I5 stands here: one write is under way at a time, and it extends the row at its position. I1 is the program's: it has
// sent only what rests on facts that it was told are durable.
#pragma once

#include "workflow/attempt.hpp"
#include "workflow/program/workflow_program.hpp"

#include <memory>

namespace weft {
inline namespace v0 {
namespace detail {

// How long an operation that was asked to stop may take to do so before its attempt ends without it.
inline constexpr std::chrono::milliseconds grace_after_timeout{100};

class workflow_attempt final : public attempt, private program_host, private local_operation, private limited
{
public:
    workflow_attempt(engine_core& engine, std::string gid);
    ~workflow_attempt() override;

    // For a transaction that is about to be created: makes the body, so that an input that does not convert is found before
    // anything is written. Throws misuse(bad_value). `begin_created` follows once the row is durable, with the time it keeps.
    void prepare(program const& p, std::string_view input) { program_.prepare(p, input); }
    void begin_created(std::string const& workflow, std::chrono::system_clock::time_point created);

    // Starts (once). `row` is leased to this engine and comes with its journal.
    void begin(program const& p, transaction row, std::string why_not);

    void go_on() override;
    void cancel_requested() override;
    void stop() override;
    void abandon() noexcept override;
    void on_answer(class send&, outcome o, bool permanent) override;

private:
    enum class doing : std::uint8_t
    {
        nothing,
        writing,
        parking,
        performing,
        waiting_to_retry,
        waiting_for_permit,
        held,  // for a beat, or for the answer whether a database is the store's own
        ended
    };

    // An operation that the store does itself, and its fact with it.
    struct in_store
    {
        extend_write pending;    // what is to be written before it
        extend_write extension;  // that, and its fact
        outcome      said;
        bool         permanent = false;
        bool         ran = false;  // the extension is that of a success
        class permit permit;       // where its branch is limited
    };

    // program_host
    std::optional<bool> done_by_store(slot of, branch_call const& call, operation op) override;
    double              jitter() override;

    // limited: a send of its branch may go on
    void on_permit(class permit p) override;

    // local_operation: on the store's thread, while this waits for the write
    bool run(record_writer&) override;

    void on_written(write_result const&, write&) override;
    void on_timer() override;

    void tell(event&& e);
    void carry_out(plan& p);
    void say(plan const& p);

    // Sending
    void                      deliver(plan::sending what);
    void                      perform();
    void                      perform_here();
    void                      withdraw();
    bool                      has_permit();
    void                      permit_returned();
    void                      orphan_send() noexcept;
    std::chrono::milliseconds timeout() const;

    // Writing
    void write_record();
    void extended(extend_write const& w);
    void durable(extend_write const& w);
    void done_here(in_store& local);
    void refused_here(in_store& local);
    void met_cancel(extend_write& w);
    void fenced(enum written what);
    void pause(std::string reason, bool misfit);
    void park_as(plan::parking p);
    void write_park();

    branch_call& call() const noexcept { return *program_.at(current_.of).call; }

    program_limits   limits_;
    workflow_program program_;
    doing            doing_ = doing::nothing;
    plan::sending    current_{};  // what is under way, or waits to be sent, or to be sent again
    bool             waits_to_be_sent_ = false;
    bool             timed_out_ = false;
    bool             stopping_ = false;
    bool             collects_ = false;  // it began with a request to cancel, or decided
    std::string      thrown_;            // by the operation under way, when it was started

    boost::intrusive_ptr<class send> send_;    // until it has answered
    class permit                     permit_;  // for the send that is about to be made

    std::optional<park_write> parking_;  // to be written next
    std::unique_ptr<in_store> local_;    // while the store does the operation itself
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
