// The operations of patterns in SQLite: rows of trans_branch_op.
#pragma once

#include "src/store/sql/operation_row.hpp"
#include "src/store/sql/sqlite_statements.hpp"

#include <weft/store.hpp>

#include <optional>

namespace weft {
inline namespace v0 {
namespace sql_store {

// On the writing connection, in a transaction that the caller has begun.
class sqlite_operations
{
public:
    explicit sqlite_operations(soci::session& sql);

    void insert(std::string const& gid, branch_op const& op, std::int64_t now);

    // What is there under these names: of `branch_op` or `record_write::entry`.
    template <class Named>
    std::vector<branch_op> find(std::string const& gid, std::vector<Named> const& named)
    {
        std::vector<branch_op> found;
        for (auto const& n : named)
            if (auto op = find(gid, n.branch_id, n.op))
                found.push_back(std::move(*op));
        return found;
    }

    void end(std::string const& gid, record_write::entry const& e, std::int64_t now);

private:
    std::optional<branch_op> find(std::string const& gid, std::string const& branch_id, std::string const& op);

    std::string     gid_, branch_id_, op_, url_, data_, status_;
    std::int64_t    now_ = 0;
    soci::indicator ended_ind_ = soci::i_null, data_ind_ = soci::i_null;
    soci::statement insert_, find_, end_;
};

// Reading them, for many transactions at once.
class sqlite_operation_reads
{
public:
    explicit sqlite_operation_reads(soci::session& sql);

    void add_to(std::span<transaction> rows);

private:
    std::string     gids_;
    operation_row   row_;
    soci::statement select_;
};

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
