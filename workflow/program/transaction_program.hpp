// What runs a transaction, seen from its attempt: a workflow (workflow_program) or a transaction of one of dtm's modes
// (pattern_program).
#pragma once

#include "workflow/program/in_store.hpp"
#include "workflow/program/plan.hpp"

#include <weft/detail/branch_call.hpp>
#include <weft/remote.hpp>

#include <memory>

namespace weft {
inline namespace v0 {
namespace detail {

// An operation that is data, and what its client wants to be sent along.
struct remote_send
{
    remote_operation                    what;
    std::shared_ptr<http_headers const> headers;
};

// What a workflow sends for a slot. `id` is good until the program is told something.
struct called
{
    branch_call*       call = nullptr;
    operation          op = operation::action;
    std::string const* id = nullptr;
};

class transaction_program
{
public:
    virtual ~transaction_program() = default;

    virtual void on(event&& e, plan& to) = 0;

    // What is to be written, without gid, owner and position. Then `durable` or `not_written`.
    virtual void record(write& to) = 0;

    // As the row has it, with what is durable.
    virtual status stands_at() const noexcept = 0;

    // What a slot sends: a call of a workflow, or data.
    virtual branch      branch_of(slot s, std::chrono::system_clock::time_point now) const = 0;
    virtual called      call_of(slot) const noexcept { return {}; }
    virtual remote_send remote_of(slot) const { return {}; }

    // An operation of a workflow that the store does itself. `of.pending`, what is to be written before it, becomes what is written with it.
    virtual std::unique_ptr<in_store> here(slot) { return nullptr; }

    // Whether a request to cancel ends what is under way.
    virtual bool is_undone_by_cancel() const noexcept { return false; }

    // Whether an operation whose time is over may be undone although it has not returned.
    virtual bool may_undo_what_has_not_returned() const noexcept { return false; }

    // Whether another attempt could go on from what is written, instead of this one. For tests.
    virtual bool can_be_replayed() const noexcept { return false; }

    // The branch in whose code it is, for whoever watches the strand; null: no code of a user's runs in it.
    virtual std::string const* runs_code() const noexcept { return nullptr; }

    // Its attempt has ended: the frame goes, whatever else holds the attempt.
    virtual void drop_body() noexcept { }
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
