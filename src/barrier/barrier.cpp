// The algorithm: which rows are inserted, and what their being there already means. It is dtm's, with the result added.
#include "src/barrier/statements.hpp"

#include <weft/errors.hpp>

#include <array>
#include <stdexcept>

namespace weft {
inline namespace v0 {

namespace {

// What an undo undoes; confirm and commit have none: they come only after the action has succeeded.
std::optional<operation> origin_of(operation op)
{
    switch (op)
    {
    case operation::cancel:
        return operation::try_;
    case operation::compensate:
    case operation::rollback:
        return operation::action;
    default:
        return std::nullopt;
    }
}

void check_length(std::string_view what, std::string const& value)
{
    // MySQL's "insert ignore" would cut a longer one off, and two operations would become one.
    if (value.empty() || value.size() > 128)
        throw misuse(misuse::code::wrong_call, "the barrier needs a " + std::string(what) + " of 1 to 128 bytes");
}

}  // namespace

barrier::barrier(branch const& where, barrier_options options)
    : gid_(where.gid)
    , branch_id_(where.id)
    , op_(where.op)
    , origin_(where.at_the_end ? std::nullopt : origin_of(where.op))
    , options_(std::move(options))
{
    check_length("gid", gid_);
    check_length("branch id", branch_id_);
    if (options_.trans_type.empty() || options_.trans_type.size() > 45)
        throw misuse(misuse::code::wrong_call, "the barrier needs a trans_type of 1 to 45 bytes");
    detail::check_table_name(options_.table);
}

bool barrier::insert(barrier_connection& c, operation which)
{
    auto const op = to_string(which);
    auto const reason = to_string(op_);
    return c.execute(detail::insert_statement(c.dialect(), options_.table),
                     std::array<std::string_view, 6>{options_.trans_type, gid_, branch_id_, op, barrier_id_, reason}) > 0;
}

barrier_entry barrier::enter(barrier_connection& c)
{
    detail::require_transaction(c);
    ++calls_;
    barrier_id_ = (calls_ < 10 ? "0" : "") + std::to_string(calls_);

    // The action's row first: if it can be inserted, the action has not been here, and from now on it never will.
    bool const nothing_to_undo = origin_ && insert(c, *origin_);
    if (insert(c, op_))
        return {.first = !nothing_to_undo, .recorded = std::nullopt};

    auto const op = to_string(op_);
    auto       row = c.query_row(detail::read_statement(c.dialect(), options_.table),
                                 std::array<std::string_view, 4>{gid_, branch_id_, op, barrier_id_}, 2);
    if (!row)
        throw std::runtime_error("the barrier's row of this " + std::string(op) + " went away while it was looked at");
    auto const& reason = row->at(0);
    if (reason == op)
        return {.first = false, .recorded = std::move(row->at(1))};
    // Who inserted an action's row instead of the action is its undo.
    throw failure::recorded("branch " + branch_id_ + " was already undone: its " + std::string(op) + " came after its " +
                                reason.value_or("undo"),
                            {}, gid_, branch_id_);
}

namespace {

// Nobody is asked; where the connection can tell, it is told.
void require_transaction_still(barrier_connection const& c)
{
    if (c.transaction() == local_transaction::none)
        throw std::runtime_error(
            "the business has ended the local transaction that it was called in: what it did after that, and what is to "
            "be recorded of it, would be committed by itself");
}

}  // namespace

void barrier::record(barrier_connection& c, std::string_view json)
{
    require_transaction_still(c);
    auto const op = to_string(op_);
    if (c.execute(detail::record_statement(c.dialect(), options_.table),
                  std::array<std::string_view, 5>{json, gid_, branch_id_, op, barrier_id_}) != 1)
        throw_row_gone();
}

void barrier::leave(barrier_connection& c)
{
    require_transaction_still(c);
    if (c.dialect() != sql_dialect::mysql)
        return;
    auto const op = to_string(op_);
    if (!c.query_row(detail::read_statement(c.dialect(), options_.table),
                     std::array<std::string_view, 4>{gid_, branch_id_, op, barrier_id_}, 2))
        throw_row_gone();
}

void barrier::throw_row_gone() const
{
    throw std::runtime_error(
        "the barrier's row of this " + std::string(to_string(op_)) +
        " is gone: the business must not delete it, nor end the local transaction, nor go on after a deadlock, which ends it");
}

void barrier::throw_nothing_recorded() const
{
    throw std::runtime_error("the " + std::string(to_string(op_)) + " of branch " + branch_id_ +
                             " was done before, but the barrier's row holds no result to return");
}

}  // namespace v0
}  // namespace weft
