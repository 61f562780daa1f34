// Statements about many transactions at once that no attempt makes: people do, and the clock.
#pragma once

#include "src/store/sql/sql_words.hpp"

#include <weft/store.hpp>

namespace weft {
inline namespace v0 {
namespace sql_store {

// SELECT … for `store::list`. Unfinished rows come out of their own index, oldest due first (or, with `before`, newest first); others in
// the order of their numbers.
std::string listing(sql_words const& words, table_names const& tables, list_filter const& filter, std::int64_t now);

// SELECT … for `store::settled`.
std::string settled_among(sql_words const& words, table_names const& tables, std::span<std::string const> gids);

// As the members of store, on a session in a transaction that the caller has begun.
made_due    make_due(soci::session& sql, sql_words const& words, table_names const& tables, std::int64_t later_than, std::size_t limit,
                     std::int64_t now);
std::size_t purge(soci::session& sql, sql_words const& words, table_names const& tables, std::int64_t ended_before, std::size_t limit);

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
