#include "src/sql/lent_connection.hpp"

#include <soci/sqlite3/soci-sqlite3.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

// They take a value and change nothing, or nothing that outlasts the transaction, or something in the file.
constexpr std::array<std::string_view, 18> harmless{
    "application_id", "data_version", "defer_foreign_keys", "foreign_key_check", "foreign_key_list", "incremental_vacuum",
    "index_info",     "index_list",   "index_xinfo",        "integrity_check",   "optimize",         "quick_check",
    "schema_version", "table_info",   "table_list",         "table_xinfo",       "user_version",     "wal_checkpoint",
};

bool same_word(std::string_view a, std::string_view b)
{
    constexpr auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

bool is_harmless(std::string_view setting)
{
    return std::any_of(harmless.begin(), harmless.end(), [&](auto name) { return same_word(name, setting); });
}

}  // namespace

void lent_connection::watch(sqlite_api::sqlite3* db)
{
    db_ = db;
    sqlite_api::sqlite3_set_authorizer(db, &authorize, this);
}

void lent_connection::take_back()
{
    if (std::exchange(lent_, false) && settings_)
        sqlite_api::sqlite3_exec(db_, "PRAGMA query_only = off", nullptr, nullptr, nullptr);
}

bool lent_connection::is_changed()
{
    if (settings_ || !temporary_)
        return settings_;
    int n = 1;
    sqlite_api::sqlite3_exec(
        db_, "SELECT count(*) FROM temp.sqlite_master",
        [](void* to, int, char** values, char**) {
            *static_cast<int*>(to) = std::string_view(values[0]) == "0" ? 0 : 1;
            return 0;
        },
        &n, nullptr);
    temporary_ = n > 0;
    return temporary_;
}

int lent_connection::authorize(void* self, int action, char const* first, char const* second, char const*, char const*)
{
    auto& me = *static_cast<lent_connection*>(self);
    if (!me.lent_)
        return SQLITE_OK;
    switch (action)
    {
    case SQLITE_PRAGMA:
        if (second && !is_harmless(first) && !(same_word(first, "foreign_keys") && !sqlite_api::sqlite3_get_autocommit(me.db_)))
            me.settings_ = true;  // (Foreign keys stay as they are within a transaction.)
        break;
    case SQLITE_ATTACH:
    case SQLITE_DETACH:
        me.settings_ = true;
        break;
    case SQLITE_CREATE_TEMP_TABLE:
    case SQLITE_CREATE_TEMP_VIEW:
    case SQLITE_CREATE_TEMP_TRIGGER:
        me.temporary_ = true;
        break;
    default:
        break;
    }
    return SQLITE_OK;
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
