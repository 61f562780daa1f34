#include "src/store/sql/schema.hpp"

#include "src/store/sql/sqlite_statements.hpp"

#include <weft/detail/machine_seed.hpp>
#include <weft/errors.hpp>

#include <array>
#include <cstdio>

namespace weft {
inline namespace v0 {
namespace sql_store {

extern char const* const sqlite_001;  // schema/sqlite_001.sql

namespace {

// What each version needs, and the oldest weft (by the version it writes) that may still use the database afterwards.
struct migration
{
    int         version;
    int         min_reader;
    char const* text;
};

std::array<migration, 1> migrations() { return {{{1, 1, sqlite_001}}}; }

int setting(soci::session& sql, char const* key)
{
    int             value = 0;
    soci::indicator ind = soci::i_null;
    // Named: SOCI executes when the statement's temporaries are being destroyed, and a temporary string would be gone by then.
    std::string const k(key);
    sql << "SELECT CAST(v AS INTEGER) FROM kv WHERE cat = 'schema' AND k = :k", soci::use(k), soci::into(value, ind);
    return value;
}

void set(soci::session& sql, char const* cat, char const* key, std::string const& value)
{
    std::string const c(cat), k(key);
    sql << "INSERT INTO kv (cat, k, v) VALUES (:c, :k, :v) ON CONFLICT (cat, k) DO UPDATE SET v = excluded.v", soci::use(c), soci::use(k),
        soci::use(value);
}

}  // namespace

std::string new_store_id()
{
    auto const a = detail::machine_seed(), b = detail::machine_seed();
    char       room[37];
    std::snprintf(room, sizeof room, "%08x-%04x-4%03x-%04x-%012llx", static_cast<unsigned>(a >> 32),
                  static_cast<unsigned>(a >> 16 & 0xffff), static_cast<unsigned>(a & 0xfff),
                  static_cast<unsigned>(b >> 48 & 0x3fff) | 0x8000u, static_cast<unsigned long long>(b & 0xffffffffffffu));
    return room;
}

store_error made_by_a_newer_weft(std::string const& name, int version, int min_reader)
{
    return store_error(name + " has schema version " + std::to_string(version) + " and can only be used by a weft that knows version " +
                       std::to_string(min_reader) + "; this one knows " + std::to_string(schema_version));
}

void migrate_sqlite(soci::session& sql, std::string const& name)
{
    auto const check = [&] {
        int tables = 0;
        sql << "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'kv'", soci::into(tables);
        int const version = tables == 0 ? 0 : setting(sql, "version");
        int const min_reader = tables == 0 ? 0 : setting(sql, "min_reader");
        if (min_reader > schema_version)
            throw made_by_a_newer_weft(name, version, min_reader);
        return version;
    };
    if (check() >= schema_version)
        return;
    execute(sql, "BEGIN IMMEDIATE");
    try
    {
        int const version = check();  // again: another process may have been quicker
        for (auto const& m : migrations())
            if (m.version > version)
            {
                execute(sql, m.text);
                set(sql, "schema", "version", std::to_string(m.version));
                set(sql, "schema", "min_reader", std::to_string(m.min_reader));
                if (m.version == 1)
                    set(sql, "store", "id", new_store_id());
            }
        execute(sql, "COMMIT");
    }
    catch (...)
    {
        sqlite_api::sqlite3_exec(handle(sql), "ROLLBACK", nullptr, nullptr, nullptr);
        throw;
    }
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
