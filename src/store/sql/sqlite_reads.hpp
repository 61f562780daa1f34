// Reading transactions, on a connection of its own: readers never wait for the writer.
#pragma once

#include "src/store/sql/sqlite_statements.hpp"

#include <weft/store.hpp>

namespace weft {
inline namespace v0 {
namespace sql_store {

class sqlite_reads
{
public:
    explicit sqlite_reads(soci::session& sql);

    std::optional<transaction> find(std::string_view gid, bool with_journal);
    std::vector<transaction>   list(list_filter const& filter, std::int64_t now);
    std::vector<std::string>   cancel_requests(std::string const& engine);
    std::uint64_t              data_version();

    // One row as the statement `select_transaction` yields it.
    struct fields
    {
        std::string     gid, trans_type, workflow, custom_data, status, owner, result, reason, last_error, paused_reason, ext_data;
        std::int64_t    position = 0, created = 0, updated = 0, due = 0;
        int             attempts = 0, sends = 0, cancel_requested = 0;
        soci::indicator result_ind = soci::i_null, reason_ind = soci::i_null, last_error_ind = soci::i_null, paused_ind = soci::i_null,
                        ext_ind = soci::i_null, created_ind = soci::i_null, updated_ind = soci::i_null, due_ind = soci::i_null;

        void        into(soci::statement& s);
        transaction as_transaction() const;
    };

    static std::vector<std::string> parts_of(soci::session& sql, std::string const& gid);

private:
    soci::session&  sql_;
    std::string     gid_;
    fields          row_;
    std::int64_t    version_ = 0;
    soci::statement find_, version_statement_;
};

extern char const* const select_transaction;  // "SELECT … FROM trans_global"

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
