// Reading transactions on a database server.
#pragma once

#include "src/store/sql/dialect.hpp"

#include <weft/store.hpp>

#include <optional>
#include <span>
#include <vector>

namespace weft {
inline namespace v0 {
namespace sql_store {

// On a session in a transaction that the caller has begun; `now` is its time.
class server_reads
{
public:
    server_reads(soci::session& sql, dialect const& d, table_names const& tables, std::int64_t now)
        : sql_(sql)
        , dialect_(d)
        , tables_(tables)
        , now_(now)
    { }

    // As the members of store.
    std::optional<transaction> find(std::string_view gid, bool with_journal);
    std::vector<transaction>   list(list_filter const& filter);
    std::vector<transaction>   settled(std::span<std::string const> gids);
    std::vector<std::string>   cancel_requests(std::string const& engine);

    // The rows that meet a condition; `tail` is what follows it. Without journals' parts, without operations.
    std::vector<transaction> rows(std::string const& condition, std::string const& tail = "");

    // What stands in trans_branch_op of these.
    void complete(std::span<transaction> rows);

    std::vector<std::string> texts(std::string const& select);

private:
    std::vector<transaction> heads(std::string const& select);  // without their journals

    soci::session&     sql_;
    dialect const&     dialect_;
    table_names const& tables_;
    std::int64_t       now_;
};

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
