// The barrier's table: dtm's columns, with room for the result.
#include "src/barrier/statements.hpp"

#include <array>
#include <cstdio>

namespace weft {
inline namespace v0 {

namespace {

struct table_name
{
    std::string schema;  // with its dot, or empty
    std::string name;

    explicit table_name(std::string const& whole)
    {
        auto const dot = whole.find('.');
        schema = dot == std::string::npos ? "" : whole.substr(0, dot + 1);
        name = dot == std::string::npos ? whole : whole.substr(dot + 1);
    }
    std::string schema_alone() const
    {
        auto alone = schema.substr(0, schema.empty() ? 0 : schema.size() - 1);
        if (!alone.empty() && (alone.front() == '"' || alone.front() == '`'))
            alone = alone.substr(1, alone.size() - 2);
        return alone;
    }
};

constexpr char const* columns = "trans_type varchar(45) default '', gid varchar(128) default '', branch_id varchar(128) default '', "
                                "op varchar(45) default '', barrier_id varchar(45) default '', reason varchar(45) default '', ";

// MySQL's default takes "a" for "A" and for "a ": two operations would become one.
std::string collation(barrier_connection& c)
{
    auto const version = c.query_row("select version()", {}, 1);
    bool const mariadb = version && version->at(0).value_or("").find("MariaDB") != std::string::npos;
    return mariadb ? "utf8mb4_nopad_bin" : "utf8mb4_0900_bin";
}

std::vector<std::string> creation(barrier_connection& c, std::string const& table, table_name const& parts)
{
    auto const d = c.dialect();
    auto const identity = std::string("unique (gid, branch_id, op, barrier_id)");
    auto const start = "create table if not exists " + table;
    switch (d)
    {
    case sql_dialect::sqlite:
        return {start + " (id integer primary key, " + columns + "result text, create_time datetime, update_time datetime, " + identity +
                    ")",
                "create index if not exists " + parts.schema + parts.name + "_create_time on " + parts.name + " (create_time)"};
    case sql_dialect::postgres:
        return {start + " (id bigserial primary key, " + columns +
                    "result text, create_time timestamptz, update_time timestamptz, constraint uniq_" + parts.name + " " + identity + ")",
                "create index if not exists " + parts.name + "_create_time on " + table + " (create_time)"};
    case sql_dialect::mysql:
        return {start + " (id bigint auto_increment primary key, " + columns +
                "result longtext, create_time datetime(3), update_time datetime(3), key (create_time), " + identity +
                ") engine = InnoDB character set utf8mb4 collate " + collation(c)};
    }
    return {};
}

}  // namespace

bool barrier::has_table(barrier_connection& c, barrier_options const& options)
{
    detail::check_table_name(options.table);
    table_name const       parts(options.table);
    auto const             schema = parts.schema_alone();
    std::string_view const parameters[] = {parts.name, schema};
    bool const             in_schema = !schema.empty();
    std::string            question;
    if (c.dialect() == sql_dialect::sqlite)
        question = std::string("select count(*) from pragma_table_info(?") + (in_schema ? ", ?" : "") + ") where name = 'result'";
    else
        question = std::string("select count(*) from information_schema.columns where table_name = ? and table_schema = ") +
                   (in_schema                           ? "?"
                    : c.dialect() == sql_dialect::mysql ? "database()"
                                                        : "current_schema()") +
                   " and column_name = 'result'";
    auto const row = c.query_row(question, std::span(parameters).first(in_schema ? 2 : 1), 1);
    return row && row->at(0) != "0";
}

void barrier::create_table(barrier_connection& c, barrier_options const& options)
{
    if (has_table(c, options))
        return;
    for (auto const& statement : creation(c, options.table, table_name(options.table)))
        c.execute(statement, {});
    if (!has_table(c, options))
        c.execute("alter table " + options.table + " add column result " + (c.dialect() == sql_dialect::mysql ? "longtext" : "text"), {});
}

std::int64_t barrier::purge(barrier_connection& c, std::chrono::milliseconds older_than, barrier_options const& options, std::size_t limit)
{
    detail::check_table_name(options.table);
    char seconds[32];
    std::snprintf(seconds, sizeof seconds, "%lld.%03lld", static_cast<long long>(older_than.count() / 1000),
                  static_cast<long long>(older_than.count() % 1000));
    return c.execute(detail::purge_statement(c.dialect(), options.table, limit), std::array<std::string_view, 1>{seconds});
}

}  // namespace v0
}  // namespace weft
