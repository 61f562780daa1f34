#include "workflow/program/in_store.hpp"

#include "workflow/program/workflow_program.hpp"

namespace weft {
inline namespace v0 {
namespace detail {

void in_store::stands(std::string gid, std::string owner, std::int64_t position)
{
    pending_.gid = std::move(gid);
    pending_.owner = std::move(owner);
    pending_.position = position;
}

bool in_store::done_before(record_writer& writer) { return ran_ && writer.applied(written_); }

void in_store::perform(record_writer& writer, std::chrono::system_clock::time_point now)
{
    ran_ = permanent_ = false;
    auto const& b = of_.at(slot_);
    auto        where = of_.branch_of(slot_, now);
    where.send = b.sends + 1;
    said_ = b.call->run_local(b.op, where, writer, permanent_);
    of_.make_recordable(said_, permanent_);
}

bool in_store::record(record_writer& writer, std::int64_t now)
{
    if (said_.what != outcome::kind::success)
        return false;
    written_ = pending_;
    of_.add_here(slot_, said_, written_, now);
    ran_ = true;
    return writer.record(written_);
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
