#include "src/store/sql/kv_table.hpp"

#include "src/store/sql/transaction_row.hpp"

#include <weft/detail/own_category.hpp>
#include <weft/errors.hpp>

namespace weft {
inline namespace v0 {
namespace sql_store {

std::string kv_table::where(std::string_view category, std::string_view key) const
{
    return " WHERE cat = " + words_.literal(category) + (key.empty() ? "" : " AND k = " + words_.literal(key));
}

std::vector<kv_row> kv_table::rows(std::string_view category, std::string_view key, std::int64_t after, std::size_t limit)
{
    std::vector<kv_row> rows;
    if (detail::is_own_category(category))
        return rows;
    kv_row          row;
    std::int64_t    created = 0, updated = 0;
    soci::indicator value_ind = soci::i_null, created_ind = soci::i_null, updated_ind = soci::i_null;
    query(
        sql_,
        "SELECT id, cat, k, v, version, " + words_.milliseconds_of("create_time") + ", " + words_.milliseconds_of("update_time") +
            " FROM " + table_ + where(category, key) + " AND id > " + std::to_string(after) + " ORDER BY id LIMIT " + limit_of(limit),
        [&](soci::statement& s) {
            s.exchange(soci::into(row.id));
            s.exchange(soci::into(row.category));
            s.exchange(soci::into(row.key));
            s.exchange(soci::into(row.value, value_ind));
            s.exchange(soci::into(row.version));
            s.exchange(soci::into(created, created_ind));
            s.exchange(soci::into(updated, updated_ind));
        },
        [&] {
            if (value_ind != soci::i_ok)
                row.value.clear();
            row.created = time_from(created_ind == soci::i_ok ? created : 0);
            row.updated = time_from(updated_ind == soci::i_ok ? updated : 0);
            rows.push_back(row);
        });
    return rows;
}

bool kv_table::put(std::string_view category, std::string_view key, std::string_view value, std::int64_t version, std::int64_t now)
{
    if (detail::is_own_category(category))
        return false;
    // Not every database keeps it; none is to find the end of its statement there.
    if ((std::string(category) += key).find('\0') != std::string::npos || value.find('\0') != std::string_view::npos)
        throw misuse(misuse::code::bad_value, "the table kv takes no NUL characters");
    std::int64_t there = 0;
    auto const   one = where(category, {}) + " AND k = " + words_.literal(key);
    query(
        sql_, "SELECT version FROM " + table_ + one + words_.for_update(), [&](soci::statement& s) { s.exchange(soci::into(there)); },
        [] {});
    if (there != version)
        return false;
    auto const time = words_.time(now), text = words_.literal(value);
    change(sql_, version == 0 ? "INSERT INTO " + table_ + " (cat, k, v, version, create_time, update_time) VALUES (" +
                                    words_.literal(category) + ", " + words_.literal(key) + ", " + text + ", 1, " + time + ", " + time + ")"
                              : "UPDATE " + table_ + " SET v = " + text + ", version = version + 1, update_time = " + time + one);
    return true;
}

bool kv_table::remove(std::string_view category, std::string_view key)
{
    return !detail::is_own_category(category) &&
           change(sql_, "DELETE FROM " + table_ + where(category, {}) + " AND k = " + words_.literal(key)) > 0;
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
