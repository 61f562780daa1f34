// Reading transactions, on a connection of its own: readers never wait for the writer.
#pragma once

#include "src/store/sql/kv_table.hpp"
#include "src/store/sql/sqlite_operations.hpp"
#include "src/store/sql/sqlite_statements.hpp"
#include "src/store/sql/transaction_row.hpp"

#include <weft/store.hpp>

namespace weft {
inline namespace v0 {
namespace sql_store {

std::string const& select_transaction();  // SELECT … FROM trans_global

class sqlite_reads
{
public:
    explicit sqlite_reads(soci::session& sql);

    std::optional<transaction> find(std::string_view gid, bool with_journal, std::int64_t now);
    std::vector<transaction>   settled(std::span<std::string const> gids, std::int64_t now);
    std::vector<std::string>   cancel_requests(std::string const& engine);
    std::uint64_t              data_version();
    kv_table                   kv() { return {sql_, sqlite(), sqlite_tables().kv}; }
    std::string                store_id();

    static std::vector<transaction> list(soci::session& sql, list_filter const& filter, std::int64_t now);

    static std::vector<std::string> parts_of(soci::session& sql, std::string const& gid);

private:
    soci::session&         sql_;
    std::string            gid_;
    transaction_row        row_;
    std::int64_t           version_ = 0;
    soci::statement        find_, version_statement_;
    sqlite_operation_reads operations_;
};

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
