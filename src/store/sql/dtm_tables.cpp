#include "src/store/sql/dtm_tables.hpp"

#include <weft/errors.hpp>

#include <algorithm>
#include <array>
#include <functional>
#include <initializer_list>

namespace weft {
inline namespace v0 {
namespace sql_store {

namespace {

enum class kind
{
    number,
    text,
    bytes,
    time
};

struct dtm_column
{
    char const* name;
    kind        is;
};

constexpr std::array kv_columns{dtm_column{"cat", kind::text},         dtm_column{"k", kind::text},
                                dtm_column{"v", kind::text},           dtm_column{"version", kind::number},
                                dtm_column{"create_time", kind::time}, dtm_column{"update_time", kind::time},
                                dtm_column{"id", kind::number}};

constexpr std::array global_columns{dtm_column{"id", kind::number},
                                    dtm_column{"gid", kind::text},
                                    dtm_column{"trans_type", kind::text},
                                    dtm_column{"status", kind::text},
                                    dtm_column{"query_prepared", kind::text},
                                    dtm_column{"protocol", kind::text},
                                    dtm_column{"create_time", kind::time},
                                    dtm_column{"update_time", kind::time},
                                    dtm_column{"finish_time", kind::time},
                                    dtm_column{"rollback_time", kind::time},
                                    dtm_column{"options", kind::text},
                                    dtm_column{"custom_data", kind::text},
                                    dtm_column{"next_cron_interval", kind::number},
                                    dtm_column{"next_cron_time", kind::time},
                                    dtm_column{"owner", kind::text},
                                    dtm_column{"ext_data", kind::text},
                                    dtm_column{"result", kind::text},
                                    dtm_column{"rollback_reason", kind::text}};

constexpr std::array branch_columns{dtm_column{"id", kind::number},        dtm_column{"gid", kind::text},
                                    dtm_column{"url", kind::text},         dtm_column{"data", kind::text},
                                    dtm_column{"bin_data", kind::bytes},   dtm_column{"branch_id", kind::text},
                                    dtm_column{"op", kind::text},          dtm_column{"status", kind::text},
                                    dtm_column{"finish_time", kind::time}, dtm_column{"rollback_time", kind::time},
                                    dtm_column{"create_time", kind::time}, dtm_column{"update_time", kind::time}};

// As the databases call them. A time without a zone is a time on MySQL, where sessions have one, and nothing to rely on in PostgreSQL.
bool is_type(std::string const& type, kind wanted, bool postgres)
{
    auto const among = [&](std::initializer_list<char const*> names) {
        return std::any_of(names.begin(), names.end(), [&](char const* n) { return type == n; });
    };
    switch (wanted)
    {
    case kind::number:
        return among({"bigint", "int", "integer", "mediumint", "smallint", "tinyint"});
    case kind::text:
        return among({"varchar", "character varying", "char", "character", "text", "tinytext", "mediumtext", "longtext"});
    case kind::bytes:
        return among({"bytea", "blob", "tinyblob", "mediumblob", "longblob", "varbinary"});
    case kind::time:
        return postgres ? type == "timestamp with time zone" : type == "datetime";
    }
    return false;
}

char const* example_of(kind k, bool postgres)
{
    switch (k)
    {
    case kind::number:
        return "bigint or int";
    case kind::text:
        return "varchar or text";
    case kind::bytes:
        return postgres ? "bytea" : "blob";
    case kind::time:
        return postgres ? "timestamp with time zone" : "datetime";
    }
    return "";
}

// Table, columns: SELECT …, one row for each unique key that holds for all rows.
constexpr char const* postgres_keys =
    "SELECT c.relname, COALESCE((SELECT string_agg(a.attname, ', ' ORDER BY k.n) FROM unnest(i.indkey) WITH ORDINALITY AS k(att, n) "
    "JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.att), '') FROM pg_index AS i JOIN pg_class AS c ON c.oid = "
    "i.indrelid "
    "JOIN pg_namespace AS s ON s.oid = c.relnamespace WHERE s.nspname = current_schema() AND i.indisunique AND i.indpred IS NULL "
    "AND c.relname IN (";
constexpr char const* mysql_keys =
    "SELECT max(table_name), GROUP_CONCAT(column_name ORDER BY seq_in_index SEPARATOR ', ') FROM information_schema.statistics "
    "WHERE table_schema = DATABASE() AND non_unique = 0 AND table_name IN (";

}  // namespace

present_tables::present_tables(detail::server_session& session, table_names const& tables)
    : tables_(tables)
    , postgres_(session.kind() == detail::server_kind::postgres)
{
    auto const  names = '\'' + tables.kv + "', '" + tables.global + "', '" + tables.branch + "')";
    std::string table, what, type;
    query(
        session.sql(),
        std::string("SELECT CAST(table_name AS CHAR(64)), CAST(column_name AS CHAR(64)), CAST(data_type AS CHAR(64)) FROM "
                    "information_schema.columns WHERE table_schema = ") +
            (postgres_ ? "current_schema()" : "DATABASE()") + " AND table_name IN (" + names,
        [&](soci::statement& s) {
            s.exchange(soci::into(table));
            s.exchange(soci::into(what));
            s.exchange(soci::into(type));
        },
        [&] {
            for (auto* text : {&table, &what, &type})
                text->erase(text->find_last_not_of(' ') + 1);
            types_[table][what] = type;
        });
    query(
        session.sql(), (postgres_ ? postgres_keys : mysql_keys) + names + (postgres_ ? "" : " GROUP BY table_name, index_name"),
        [&](soci::statement& s) {
            s.exchange(soci::into(table));
            s.exchange(soci::into(what));
        },
        [&] { keys_[table] += '(' + what + ')'; });
}

bool present_tables::is_ours() const
{
    auto const found = types_.find(tables_.global);
    return found != types_.end() && found->second.contains("position");
}

void present_tables::refuse_strangers(std::string const& name) const
{
    std::string wrong;
    auto const  say = [&](std::string const& what) { wrong += (wrong.empty() ? "" : "; ") + what; };
    auto const  look = [&](std::string const& table, auto const& columns, char const* key) {
        auto const found = types_.find(table);
        if (found == types_.end())
            // MySQL makes them one by one: weft may have died between two of them.
            return postgres_ || (has(tables_.global) && !is_ours()) ? say("there is no " + table) : void();
        for (auto const& c : columns)
            if (auto const there = found->second.find(c.name); there == found->second.end())
                say(table + '.' + c.name + " is missing");
            else if (!is_type(there->second, c.is, postgres_))
                say(table + '.' + c.name + " is " + there->second + " instead of " + example_of(c.is, postgres_));
        if (auto const there = keys_.find(table); there == keys_.end() || there->second.find(key) == std::string::npos)
            say(table + " has no unique key " + key);
    };
    look(tables_.kv, kv_columns, "(cat, k)");
    look(tables_.global, global_columns, "(gid)");
    look(tables_.branch, branch_columns, "(gid, branch_id, op)");
    if (!wrong.empty())
        throw misuse(
            misuse::code::wrong_call,
            name + " has tables of these names that are neither weft's nor those of dtm 1.19: " + wrong +
                ". Nothing was changed. If they are an older dtm's, bring them up to date with dtm's own scripts first; if they are "
                "somebody else's, give weft a database, a schema or a table_prefix of its own");
}

namespace {

using in_utc = std::function<std::string(std::string const& time)>;  // as an expression of SQL

// Null: it is UTC already.
in_utc in_utc_of_server(detail::server_session& session, dialect const& d, std::string const& name)
{
    std::string     zone;
    int             january = 0, july = 0;
    soci::indicator known = soci::i_null;
    session.sql() << "SELECT @@global.time_zone", soci::into(zone);
    in_utc const turned = [zone = d.literal(zone)](std::string const& time) { return "CONVERT_TZ(" + time + ", " + zone + ", '+00:00')"; };
    auto const   seconds = [&](std::string const& time) { return "TIMESTAMPDIFF(SECOND, " + time + ", " + turned(time) + ")"; };
    session.sql() << "SELECT " + seconds("TIMESTAMP'2020-01-01 12:00:00'") + ", COALESCE(" + seconds("TIMESTAMP'2020-07-01 12:00:00'") +
                         ", 0)",
        soci::into(january, known), soci::into(july);
    if (known != soci::i_ok)
        throw misuse(misuse::code::wrong_call, name + " does not know its own time zone, " + zone +
                                                   ", so the times that dtm wrote cannot be understood: load its tables of time zones "
                                                   "(mysql_tzinfo_to_sql)");
    return january == 0 && july == 0 ? in_utc() : turned;
}

// Not by CONVERT_TZ, which knows fewer offsets than there are.
in_utc in_utc_of_offset(std::chrono::minutes offset)
{
    if (offset.count() == 0)
        return {};
    return [minutes = std::to_string(offset.count())](std::string const& time) { return time + " - INTERVAL " + minutes + " MINUTE"; };
}

// dtm writes its own local time, which is that of the server unless its TimeZoneOffset says another one; weft's sessions are UTC.
void turn_times_to_utc(detail::server_session& session, dialect const& d, table_names const& tables, std::string const& name,
                       std::optional<std::chrono::minutes> utc_offset)
{
    auto const turned = utc_offset ? in_utc_of_offset(*utc_offset) : in_utc_of_server(session, d, name);
    if (!turned)
        return;
    auto const turn = [&](std::string const& table, std::initializer_list<char const*> columns) {
        std::string text = "UPDATE " + table + " SET ";
        for (auto const* c : columns)
            text += std::string(c == *columns.begin() ? "" : ", ") + c + " = " + turned(c);
        change(session.sql(), text);
    };
    turn(tables.kv, {"create_time", "update_time"});
    turn(tables.global, {"create_time", "update_time", "finish_time", "rollback_time", "next_cron_time"});
    turn(tables.branch, {"create_time", "update_time", "finish_time", "rollback_time"});
}

}  // namespace

void take_over_rows(detail::server_session& session, dialect const& d, table_names const& tables, std::string const& name,
                    std::optional<std::chrono::minutes> utc_offset)
{
    if (session.kind() == detail::server_kind::mysql)
        turn_times_to_utc(session, d, tables, name, utc_offset);
    auto const open = std::string(" AND ") + unfinished;
    change(session.sql(), "UPDATE " + tables.global + " SET owner = '' WHERE owner <> ''" + open);
    change(session.sql(), "UPDATE " + tables.global + " SET next_cron_time = " + d.now() + " WHERE next_cron_time IS NULL" + open);
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
