// An operation that the store does itself, in one write with its fact. It runs on the store's thread, while nothing else happens in its
// program.
#pragma once

#include "workflow/program/plan.hpp"

namespace weft {
inline namespace v0 {
namespace detail {

class workflow_program;

class in_store
{
public:
    in_store(workflow_program& of, slot s, extend_write pending) : of_(of), slot_(s), pending_(std::move(pending)) { }

    // Where what is to be written before it stands. To be set before it runs.
    void stands(std::string gid, std::string owner, std::int64_t position);

    // On the store's thread: whether it is done already. If not it is performed, once more if need be: what an earlier run did has been undone
    // with its batch. Then it is recorded; false: it is not, and all of it is to be undone.
    bool done_before(record_writer& writer);
    void perform(record_writer& writer, std::chrono::system_clock::time_point now);
    bool record(record_writer& writer, std::int64_t now);

    slot          of() const noexcept { return slot_; }
    extend_write& pending() noexcept { return pending_; }  // what was to be written before it
    extend_write& written() noexcept { return written_; }  // that, and its fact
    outcome&      said() noexcept { return said_; }
    bool          permanent() const noexcept { return permanent_; }

private:
    workflow_program& of_;
    slot              slot_;
    extend_write      pending_;
    extend_write      written_;
    outcome           said_;
    bool              permanent_ = false;
    bool              ran_ = false;  // `written_` is that of a success
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
