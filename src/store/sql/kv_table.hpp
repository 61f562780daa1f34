// The table kv as everybody sees it: topics and the like. Stores keep rows of their own there too, which are none of anybody's business.
#pragma once

#include "src/store/sql/sql_words.hpp"

#include <weft/store.hpp>

namespace weft {
inline namespace v0 {
namespace sql_store {

class kv_table
{
public:
    // On a session in a transaction that the caller has begun.
    kv_table(soci::session& sql, sql_words const& words, std::string const& table) : sql_(sql), words_(words), table_(table) { }

    // As the members of store.
    std::vector<kv_row> rows(std::string_view category, std::string_view key, std::int64_t after, std::size_t limit);
    bool put(std::string_view category, std::string_view key, std::string_view value, std::int64_t version, std::int64_t now);
    bool remove(std::string_view category, std::string_view key);

private:
    std::string where(std::string_view category, std::string_view key) const;

    soci::session&     sql_;
    sql_words const&   words_;
    std::string const& table_;
};

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
