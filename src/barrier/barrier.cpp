// The algorithm: which rows are inserted, and what their being there already means. It is dtm's, with the result added.
#include "src/barrier/statements.hpp"

#include <weft/errors.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
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

// What the row's trans_type holds of a branch that an engine sent: behind the kind of transaction its name, for people, and a digest of name and
// arguments, to compare. ASCII, whatever the table's character set is; and what is too long for that is not compared.
constexpr std::size_t trans_type_limit = 45, digits = 16;

void describe(std::string& trans_type, branch const& where)
{
    std::size_t const without_name = trans_type.size() + 1 + digits;
    if (where.name.empty() || !where.arguments || without_name > trans_type_limit)
        return;
    if (auto const room = trans_type_limit - without_name; room > 1)
    {
        std::string name = where.name.substr(0, room - 1);
        std::replace_if(
            name.begin(), name.end(), [](unsigned char c) { return c <= 0x20 || c >= 0x7f; }, '?');
        (trans_type += ' ') += name;
    }
    char text[digits + 2];
    std::snprintf(text, sizeof text, " %016llx",
                  static_cast<unsigned long long>(detail::digest(where.name + ' ' + std::to_string(*where.arguments))));
    trans_type += text;
}

// Empty if there is none.
std::string_view digest_in(std::string_view trans_type)
{
    auto const last = trans_type.substr(trans_type.size() - std::min(trans_type.size(), digits));
    bool const is_one = trans_type.size() > digits && trans_type[trans_type.size() - digits - 1] == ' ' &&
                        last.find_first_not_of("0123456789abcdef") == std::string_view::npos;
    return is_one ? last : std::string_view();
}

bool is_another(std::string_view left_by, std::string_view now)
{
    auto const there = digest_in(left_by), mine = digest_in(now);
    return !there.empty() && !mine.empty() && there != mine;
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
    describe(options_.trans_type, where);
}

bool barrier::insert(barrier_connection& c, operation which)
{
    auto const op = to_string(which);
    auto const reason = to_string(op_);
    return c.execute(detail::insert_statement(c.dialect(), options_.table),
                     std::array<std::string_view, 6>{options_.trans_type, gid_, branch_id_, op, barrier_id_, reason}) > 0;
}

barrier_connection::row barrier::read(barrier_connection& c, operation which) const
{
    auto const op = to_string(which);
    auto       row = c.query_row(detail::read_statement(c.dialect(), options_.table),
                                 std::array<std::string_view, 4>{gid_, branch_id_, op, barrier_id_}, 3);
    if (!row)
        throw std::runtime_error("the barrier's row of this " + std::string(op) + " went away while it was looked at");
    return std::move(*row);
}

barrier_entry barrier::enter(barrier_connection& c)
{
    detail::require_transaction(c);
    ++calls_;
    barrier_id_ = (calls_ < 10 ? "0" : "") + std::to_string(calls_);

    // The action's row first: if it can be inserted, the action has not been here, and from now on it never will. If it is another branch's,
    // neither.
    bool const nothing_to_undo =
        origin_ && (insert(c, *origin_) ||
                    (!digest_in(options_.trans_type).empty() && is_another(read(c, *origin_).at(2).value_or(""), options_.trans_type)));
    if (insert(c, op_))
        return {.first = !nothing_to_undo, .recorded = std::nullopt};

    auto const  op = to_string(op_);
    auto        row = read(c, op_);
    auto const& reason = row.at(0);
    if (reason == op)
    {
        if (auto const left_by = row.at(2).value_or(""); is_another(left_by, options_.trans_type))
            throw misuse(
                misuse::code::other_branch,
                "branch " + branch_id_ + ": \"" + left_by + "\" was done here in its place, and \"" + options_.trans_type +
                    "\" is asked for (name, and a digest of name and arguments): the code has changed while that was under way, or "
                    "asks for something else each time, or the gid was in use here before",
                gid_, branch_id_);
        return {.first = false, .recorded = std::move(row.at(1))};
    }
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
                     std::array<std::string_view, 4>{gid_, branch_id_, op, barrier_id_}, 3))
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
