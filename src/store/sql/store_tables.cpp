#include "src/store/sql/store_tables.hpp"

#include "src/sql/server_session.hpp"
#include "src/sql/sqlite_session.hpp"
#include "src/store/sql/sql_words.hpp"
#include "src/store/sql/transaction_row.hpp"

#include <weft/barrier.hpp>
#include <weft/errors.hpp>
#include <weft/soci_connection.hpp>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <optional>

namespace weft {
inline namespace v0 {
namespace sql_store {

namespace {

constexpr char const* foreign_rows = " WHERE cat NOT IN ('engine', 'dead engine', 'nonce', 'schema', 'store')";

using work = std::function<void(soci::session&, table_names const&)>;

// Beside a server that runs: nothing that its end should wait for.
constexpr std::chrono::milliseconds beside_a_server{5'000};

// In one transaction on a session of its own. `patience`: with one statement; the database's usual one if it is not said.
void on_session(std::string const& url, work const& f, std::optional<std::chrono::milliseconds> patience = {})
{
    auto const parsed = detail::parse_database_url(url);
    auto const run = [&](soci::session& sql, std::string const& prefix) {
        soci::transaction t(sql);
        f(sql, table_names(prefix));
        t.commit();
    };
    if (!detail::server_kind_of(parsed.scheme))
    {
        // Not made anew: the store would go on in it.
        if (std::error_code ignored; !std::filesystem::exists(parsed.path, ignored))
            throw store_error("sqlite " + parsed.path + ": there is no such file");
        detail::sqlite_session session(parsed.path, std::chrono::seconds(5));
        try
        {
            return run(session.session(), "");
        }
        catch (soci::soci_error const& e)
        {
            throw store_error("sqlite " + parsed.path + ": " + detail::server_message(e));
        }
    }
    auto                   server = detail::parse_server_url(url);
    detail::server_options options;
    options.take(server);
    if (patience)
    {
        options.statement_timeout = options.lock_timeout = *patience;
        options.answer_timeout.reset();
    }
    std::string prefix;
    std::erase_if(server.options, [&](auto const& option) {
        if (option.first == "table_prefix")
            prefix = option.second;
        return option.first == "table_prefix" || option.first == "store";
    });
    detail::server_session session(server, options, detail::server_session::purpose::store);
    try
    {
        run(session.sql(), prefix);
    }
    catch (soci::soci_error const& e)
    {
        throw store_error(server.describe() + ": " + detail::server_message(e));
    }
}

std::int64_t count(soci::session& sql, std::string const& rows)
{
    std::int64_t n = 0;
    sql << "SELECT count(*) FROM " + rows, soci::into(n);
    return n;
}

contents look(soci::session& sql, table_names const& tables)
{
    contents c;
    c.transactions = count(sql, tables.global);
    c.unfinished = count(sql, tables.global + " WHERE " + unfinished);
    c.operations = count(sql, tables.branch);
    c.rows_of_kv = count(sql, tables.kv + foreign_rows);
    c.engines = count(sql, tables.kv + " WHERE cat = 'engine'");
    c.tables = tables.global + ", " + tables.branch + ", " + tables.kv;
    return c;
}

}  // namespace

contents count_tables(std::string const& url)
{
    contents c;
    on_session(url, [&](soci::session& sql, table_names const& tables) { c = look(sql, tables); });
    return c;
}

backlog look_at_backlog(std::string const& url)
{
    backlog    b;
    auto const look_up = [&](soci::session& sql, table_names const& tables) {
        auto const   kind = sql.get_backend_name();
        auto const*  age = kind == "postgresql" ? "EXTRACT(EPOCH FROM now() - min(create_time))"
                           : kind == "mysql"    ? "timestampdiff(SECOND, min(create_time), utc_timestamp())"
                                                : "(CAST(strftime('%s', 'now') AS INTEGER) - min(create_time) / 1000)";
        std::int64_t seconds = 0;
        sql << std::string("SELECT count(*), count(paused_reason), COALESCE(CAST(") + age + " AS " +
                   (kind == "mysql" ? "SIGNED" : "bigint") + "), 0) FROM " + tables.global + " WHERE " +
                   (kind == "mysql" ? "unfinished_owner IS NOT NULL" : unfinished),  // as its index has it
            soci::into(b.unfinished), soci::into(b.paused), soci::into(seconds);
        b.oldest = std::chrono::seconds(std::max<std::int64_t>(seconds, 0));
    };
    on_session(url, look_up, beside_a_server);
    return b;
}

contents empty_tables(std::string const& url)
{
    contents c;
    on_session(url, [&](soci::session& sql, table_names const& tables) {
        // A write comes first: SQLite cannot turn a transaction that has read into one that writes if another has written meanwhile.
        change(sql, "DELETE FROM " + tables.kv + " WHERE cat = 'nonce'");
        c = look(sql, tables);
        if (c.engines > 0)
            return;
        change(sql, "DELETE FROM " + tables.branch);
        change(sql, "DELETE FROM " + tables.global);
        change(sql, "DELETE FROM " + tables.kv + foreign_rows);
    });
    return c;
}

std::size_t purge_barrier(std::string const& url, std::chrono::milliseconds older_than, std::size_t limit)
{
    std::size_t purged = 0;
    // MySQL keeps the time as each participant's session has it, and here it is UTC: nowhere on earth is it earlier than twelve hours before.
    constexpr std::chrono::hours latest_zone(12);
    bool const                   on_mysql = detail::server_kind_of(detail::parse_database_url(url).scheme) == detail::server_kind::mysql;
    older_than += on_mysql ? latest_zone : std::chrono::hours(0);
    auto const remove = [&](soci::session& sql, table_names const&) {
        soci_connection connection(sql);
        if (barrier::has_table(connection))
            purged = static_cast<std::size_t>(barrier::purge(connection, older_than, {}, limit));
    };
    on_session(url, remove, beside_a_server);
    return purged;
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
