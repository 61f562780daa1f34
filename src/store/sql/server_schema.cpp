// The schema on a database server.
#include "src/store/sql/dtm_tables.hpp"
#include "src/store/sql/schema.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace weft {
inline namespace v0 {
namespace sql_store {

extern char const* const postgres_001;  // schema/*.sql
extern char const* const postgres_dtm;
extern char const* const mysql_001;
extern char const* const mysql_dtm;

namespace {

struct server_migration
{
    int         version;
    int         min_reader;
    char const* postgres;
    char const* mysql;
};

std::array<server_migration, 1> server_migrations() { return {{{1, 1, postgres_001, mysql_001}}}; }

std::string replaced(std::string text, std::string_view what, std::string_view by)
{
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
        text.replace(at, what.size(), by);
    return text;
}

// Without the lines that are comments: SOCI takes every colon for the beginning of a parameter's name.
std::string without_comments(std::string_view script)
{
    std::string text;
    while (!script.empty())
    {
        auto const end = std::min(script.find('\n'), script.size() - 1);
        auto const line = script.substr(0, end + 1);
        if (auto const first = line.find_first_not_of(' '); !line.substr(std::min(first, line.size())).starts_with("--"))
            text += line;
        script.remove_prefix(end + 1);
    }
    return text;
}

class schema
{
public:
    schema(detail::server_session& session, dialect const& d, std::string const& prefix, std::string const& name,
           std::optional<std::chrono::minutes> dtm_utc_offset = {})
        : session_(session)
        , dialect_(d)
        , prefix_(prefix)
        , tables_(prefix)
        , name_(name)
        , postgres_(session.kind() == detail::server_kind::postgres)
        , dtm_utc_offset_(dtm_utc_offset)
    { }

    // 0: there is none.
    int version() { return has_tables() ? std::atoi(setting("schema", "version").c_str()) : 0; }
    int min_reader() { return has_tables() ? std::atoi(setting("schema", "min_reader").c_str()) : 0; }

    void run(server_migration const& m)
    {
        if (m.version != 1 || !take_over())
            run(postgres_ ? m.postgres : m.mysql);
        // Not by INSERT alone: on MySQL each statement above was committed by itself, and this may be the second try.
        set("schema", "version", std::to_string(m.version));
        set("schema", "min_reader", std::to_string(m.min_reader));
        if (m.version == 1 && setting("store", "id").empty())
            set("store", "id", new_store_id());
    }

    // Only one process at a time brings the schema up to date.
    void lock()
    {
        if (postgres_)
        {
            session_.execute("BEGIN");
            session_.execute("SELECT pg_advisory_xact_lock(hashtext('weft schema ' || current_schema()))");
            return;
        }
        int got = 0;
        session_.sql() << "SELECT GET_LOCK(CONCAT('weft schema ', LEFT(DATABASE(), 40)), 30)", soci::into(got);
        if (got != 1)
            throw std::runtime_error("another process has been changing the schema for 30 s");
    }
    void unlock()
    {
        session_.execute("COMMIT");
        if (!postgres_)
            session_.execute("DO RELEASE_LOCK(CONCAT('weft schema ', LEFT(DATABASE(), 40)))");
    }

private:
    void run(char const* script)
    {
        auto text = replaced(without_comments(script), "{prefix}", prefix_);
        text = replaced(std::move(text), "{collation}", session_.is_mariadb() ? "utf8mb4_nopad_bin" : "utf8mb4_0900_bin");
        std::string_view rest = text;
        for (auto end = rest.find(";\n"); end != std::string_view::npos; end = rest.find(";\n"))
        {
            session_.execute(std::string(rest.substr(0, end)));
            rest.remove_prefix(end + 2);
        }
    }

    // Tables that are there, and no version: they are dtm's, or were given back to it (docs/from-dtm.md). Or, on MySQL, an earlier try has
    // died: what it had made is complete by the statement. False: there is nothing to take over.
    bool take_over()
    {
        present_tables const found(session_, tables_);
        if (!found.any())
            return false;
        found.refuse_strangers(name_);
        if (!found.has(tables_.global))
            return false;
        if (!found.is_ours())
            run(postgres_ ? postgres_dtm : mysql_dtm);
        else if (!postgres_)
            run(mysql_001);
        take_over_rows(session_, dialect_, tables_, name_, dtm_utc_offset_);
        return true;
    }

    bool has_tables()
    {
        int        columns = 0;
        auto const name = prefix_ + "kv";
        // By the columns that the version stands in: a table of this name may be anybody's.
        session_.sql()
            << "SELECT count(*) FROM information_schema.columns WHERE column_name IN ('cat', 'k', 'v') AND table_name = :name AND "
               "table_schema = " +
                   std::string(postgres_ ? "current_schema()" : "DATABASE()"),
            soci::use(name), soci::into(columns);
        return columns == 3;
    }

    std::string setting(char const* cat, char const* key)
    {
        std::string       value;
        soci::indicator   ind = soci::i_null;
        std::string const c(cat), k(key);
        session_.sql() << "SELECT v FROM " + prefix_ + "kv WHERE cat = :c AND k = :k", soci::use(c), soci::use(k), soci::into(value, ind);
        return ind == soci::i_ok ? value : "";
    }

    void set(char const* cat, char const* key, std::string const& value)
    {
        std::string text = "DELETE FROM " + prefix_ + "kv WHERE cat = ";
        dialect_.append_literal(text, cat);
        dialect_.append_literal(text += " AND k = ", key);
        session_.execute(text);
        text = "INSERT INTO " + prefix_ + "kv (cat, k, v) VALUES (";
        dialect_.append_literal(text, cat);
        dialect_.append_literal(text += ", ", key);
        dialect_.append_literal(text += ", ", value);
        session_.execute(text + ")");
    }

    detail::server_session& session_;
    dialect const&          dialect_;
    std::string const&      prefix_;
    table_names             tables_;
    std::string const&      name_;
    bool                    postgres_;

    std::optional<std::chrono::minutes> dtm_utc_offset_;
};

int checked_version(schema& s, std::string const& name)
{
    int const version = s.version();
    if (int const min_reader = s.min_reader(); min_reader > schema_version)
        throw made_by_a_newer_weft(name, version, min_reader);
    return version;
}

}  // namespace

bool is_migrated(detail::server_session& session, dialect const& d, std::string const& prefix, std::string const& name)
{
    schema    s(session, d, prefix, name);
    int const version = checked_version(s, name);
    session.roll_back();
    return version >= schema_version;
}

void migrate_server(detail::server_session& session, dialect const& d, std::string const& prefix, std::string const& name,
                    std::optional<std::chrono::minutes> dtm_utc_offset)
{
    schema s(session, d, prefix, name, dtm_utc_offset);
    s.lock();
    int const version = checked_version(s, name);  // another process may have been quicker
    for (auto const& m : server_migrations())
        if (m.version > version)
            s.run(m);
    s.unlock();
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
