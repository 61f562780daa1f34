#include "src/store/sql/operation_row.hpp"

#include "src/store/sql/transaction_row.hpp"

namespace weft {
inline namespace v0 {
namespace sql_store {

namespace {

unsigned nibble(char c) { return static_cast<unsigned>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10); }

std::string from_hex(std::string const& digits)
{
    std::string bytes(digits.size() / 2, '\0');
    for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = static_cast<char>(nibble(digits[2 * i]) << 4 | nibble(digits[2 * i + 1]));
    return bytes;
}

}  // namespace

void append_hex(std::string& to, std::string_view bytes)
{
    constexpr char digits[] = "0123456789abcdef";
    for (auto const c : bytes)
        (to += digits[static_cast<unsigned char>(c) >> 4]) += digits[static_cast<unsigned char>(c) & 15];
}

std::string operation_row::selection(sql_words const& words, std::string const& table, std::string const& gids)
{
    return "SELECT gid, branch_id, op, url, " + words.payload_hex() + ", status, " + words.milliseconds_of("create_time") + ", " +
           words.milliseconds_of("COALESCE(finish_time, rollback_time)") + " FROM " + table + " WHERE gid IN (" + gids +
           ") AND op <> 'journal' ORDER BY id";
}

void operation_row::into(soci::statement& s)
{
    using soci::into;
    s.exchange(into(gid));
    s.exchange(into(branch_id));
    s.exchange(into(op));
    s.exchange(into(url));
    s.exchange(into(hex, hex_ind));
    s.exchange(into(status));
    s.exchange(into(created, created_ind));
    s.exchange(into(ended, ended_ind));
}

branch_op operation_row::as_operation() const
{
    branch_op o;
    o.branch_id = branch_id;
    o.op = op;
    o.url = url;
    o.data = hex_ind == soci::i_ok ? from_hex(hex) : std::string();
    o.status = status_from(status).value_or(weft::status::prepared);
    if (created_ind == soci::i_ok)
        o.created = time_from(created);
    if (ended_ind == soci::i_ok)
        o.ended = time_from(ended);
    return o;
}

std::vector<transaction*> patterns_among(std::span<transaction> rows)
{
    std::vector<transaction*> patterns;
    for (auto& t : rows)
        if (t.workflow.empty())
            patterns.push_back(&t);
    return patterns;
}

by_gid::by_gid(std::span<transaction* const> rows)
{
    for (auto* const t : rows)
        rows_.emplace(t->gid, t);
}

void by_gid::operator()(operation_row const& row)
{
    auto const found = rows_.find(row.gid);
    if (found == rows_.end())
        return;
    auto& t = *found->second;
    t.ops.push_back(row.as_operation());
    if (t.paused_reason.empty() && !status_from(row.status))
        t.paused_reason = unknown_status("operation " + row.op + " of branch " + row.branch_id + ": its", row.status);
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
