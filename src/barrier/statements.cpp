#include "src/barrier/statements.hpp"

#include <weft/errors.hpp>

#include <algorithm>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

// Given in every statement, not left to the table's defaults: tables that dtm made have none on PostgreSQL, and whole seconds elsewhere.
std::string now(sql_dialect d)
{
    switch (d)
    {
    case sql_dialect::sqlite:
        return "strftime('%Y-%m-%d %H:%M:%f', 'now')";
    case sql_dialect::postgres:
        return "now()";
    case sql_dialect::mysql:
        return "now(3)";
    }
    return {};
}

constexpr char const* identity = " where gid = ? and branch_id = ? and op = ? and barrier_id = ?";

bool is_identifier(std::string_view s)
{
    auto const letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
    auto const digit = [](char c) { return c >= '0' && c <= '9'; };
    return !s.empty() && s.size() <= 63 && letter(s.front()) &&
           std::all_of(s.begin(), s.end(), [&](char c) { return letter(c) || digit(c); });
}

// "orders" or `orders`, as PostgreSQL and MySQL quote.
bool is_quoted(std::string_view s)
{
    auto const plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; };
    return s.size() > 2 && (s.front() == '"' || s.front() == '`') && s.back() == s.front() &&
           std::all_of(s.begin() + 1, s.end() - 1, plain);
}

}  // namespace

void require_transaction(barrier_connection const& c)
{
    switch (c.transaction())
    {
    case local_transaction::unknown:
    case local_transaction::open:
        return;
    case local_transaction::none:
        throw misuse(
            misuse::code::wrong_call,
            "no local transaction is open on the connection: the barrier's row would be committed by itself, and would stay when the "
            "business fails" +
                std::string(c.dialect() == sql_dialect::mysql ? ". On MySQL and MariaDB: SET autocommit = 0" : ""));
    case local_transaction::fragile:
        throw misuse(
            misuse::code::wrong_call,
            "the connection has autocommit on: after a deadlock, which rolls back the whole transaction, the barrier's row too, the "
            "business could go on and be committed alone. SET autocommit = 0 on the session, and then COMMIT or ROLLBACK");
    }
}

void check_table_name(std::string_view name)
{
    auto const dot = name.find('.');
    auto const schema = name.substr(0, dot == std::string_view::npos ? 0 : dot);
    bool const good = dot == std::string_view::npos ? is_identifier(name)
                                                    : (is_identifier(schema) || is_quoted(schema)) && is_identifier(name.substr(dot + 1));
    if (!good)
        throw misuse(misuse::code::wrong_call,
                     "the barrier's table must be named by letters, digits and underscores, with at most one dot");
}

std::string insert_statement(sql_dialect d, std::string const& table)
{
    auto const t = now(d);
    auto const rest = "into " + table +
                      " (trans_type, gid, branch_id, op, barrier_id, reason, create_time, update_time) values (?, ?, ?, ?, ?, ?, " + t +
                      ", " + t + ")";
    // Not SQLite's "insert or ignore": that forgives every constraint, and only this one may be forgiven.
    return d == sql_dialect::mysql ? "insert ignore " + rest
                                   : "insert " + rest + " on conflict (gid, branch_id, op, barrier_id) do nothing";
}

std::string read_statement(sql_dialect d, std::string const& table)
{
    // A locking read sees what the insert collided with, even in a transaction that reads from an older snapshot.
    return "select reason, result, trans_type from " + table + identity +
           (d == sql_dialect::mysql      ? " lock in share mode"
            : d == sql_dialect::postgres ? " for share"
                                         : "");
}

std::string record_statement(sql_dialect d, std::string const& table)
{
    return "update " + table + " set result = ?, update_time = " + now(d) + identity;
}

std::string purge_statement(sql_dialect d, std::string const& table, std::size_t limit)
{
    auto const n = std::to_string(limit);
    switch (d)
    {
    case sql_dialect::sqlite:
        return "delete from " + table + " where id in (select id from " + table +
               " where create_time < strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || ? || ' seconds') order by create_time limit " + n + ")";
    case sql_dialect::postgres:
        return "delete from " + table + " where id in (select id from " + table +
               " where create_time < now() - make_interval(secs => cast(? as double precision)) order by create_time limit " + n + ")";
    case sql_dialect::mysql:
        return "delete from " + table + " where create_time < now(3) - interval ? second order by create_time limit " + n;
    }
    return {};
}

}  // namespace detail

std::string number_placeholders(std::string_view sql, std::string_view prefix)
{
    std::string out;
    out.reserve(sql.size() + 16);
    unsigned n = 0;
    for (char const c : sql)
        if (c == '?')
            (out += prefix) += std::to_string(++n);
        else
            out += c;
    return out;
}

}  // namespace v0
}  // namespace weft
