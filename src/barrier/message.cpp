// The mark of a message, as dtm's clients leave it: branch 00, operation msg, and who made the row as its reason.
#include "src/barrier/statements.hpp"

#include <weft/barrier.hpp>
#include <weft/errors.hpp>

#include <array>
#include <stdexcept>

namespace weft {
inline namespace v0 {

namespace {

constexpr std::string_view branch_id = "00", op = "msg", barrier_id = "01", given_up = "rollback";

bool leave_mark(barrier_connection& c, std::string const& table, std::string const& gid, std::string_view reason)
{
    detail::require_transaction(c);
    detail::check_table_name(table);
    if (gid.empty() || gid.size() > 128)
        throw misuse(misuse::code::bad_gid, "a message has a gid of 1 to 128 bytes");
    return c.execute(detail::insert_statement(c.dialect(), table),
                     std::array<std::string_view, 6>{op, gid, branch_id, op, barrier_id, reason}) > 0;
}

bool was_given_up(barrier_connection& c, std::string const& table, std::string const& gid)
{
    auto const row =
        c.query_row(detail::read_statement(c.dialect(), table), std::array<std::string_view, 4>{gid, branch_id, op, barrier_id}, 3);
    if (!row)
        throw std::runtime_error("the barrier's row of message \"" + gid + "\" went away while it was looked at");
    return row->at(0) == given_up;
}

}  // namespace

void barrier::mark_message(barrier_connection& c, std::string const& gid, barrier_options const& o)
{
    if (leave_mark(c, o.table, gid, op))
        return;
    if (was_given_up(c, o.table, gid))
        throw failure::recorded("the message was given up before its local transaction was done", {}, gid);
    throw misuse(misuse::code::wrong_status, "DUPLICATED: the local transaction of this message was committed before", gid);
}

bool barrier::message_committed(barrier_connection& c, std::string const& gid, barrier_options const& o)
{
    return !leave_mark(c, o.table, gid, given_up) && !was_given_up(c, o.table, gid);
}

}  // namespace v0
}  // namespace weft
