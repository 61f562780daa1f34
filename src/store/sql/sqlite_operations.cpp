#include "src/store/sql/sqlite_operations.hpp"

#include <weft/detail/codec.hpp>

namespace weft {
inline namespace v0 {
namespace sql_store {

sqlite_operations::sqlite_operations(soci::session& sql)
    : insert_((sql.prepare << "INSERT INTO main.trans_branch_op (gid, branch_id, op, url, bin_data, status, create_time, update_time, "
                              "finish_time) VALUES (:gid, :branch_id, :op, :url, CAST(:data AS BLOB), :status, :now, :now2, :ended)",
               soci::use(gid_), soci::use(branch_id_), soci::use(op_), soci::use(url_), soci::use(data_), soci::use(status_),
               soci::use(now_), soci::use(now_), soci::use(now_, ended_ind_)))
    , find_((sql.prepare << "SELECT url, CAST(COALESCE(bin_data, data) AS TEXT), status FROM main.trans_branch_op WHERE gid = :gid AND "
                            "branch_id = :branch_id AND op = :op",
             soci::use(gid_), soci::use(branch_id_), soci::use(op_), soci::into(url_), soci::into(data_, data_ind_), soci::into(status_)))
    , end_((sql.prepare << "UPDATE main.trans_branch_op SET status = :status, finish_time = :now, update_time = :now2 WHERE gid = :gid AND "
                           "branch_id = :branch_id AND op = :op",
            soci::use(status_), soci::use(now_), soci::use(now_), soci::use(gid_), soci::use(branch_id_), soci::use(op_)))
{ }

void sqlite_operations::insert(std::string const& gid, branch_op const& op, std::int64_t now)
{
    gid_ = gid;
    branch_id_ = op.branch_id;
    op_ = op.op;
    url_ = op.url;
    data_ = op.data;
    status_ = to_string(op.status);
    now_ = now;
    ended_ind_ = op.status == status::prepared ? soci::i_null : soci::i_ok;
    insert_.execute(true);
}

std::optional<branch_op> sqlite_operations::find(std::string const& gid, std::string const& branch_id, std::string const& name)
{
    gid_ = gid;
    branch_id_ = branch_id;
    op_ = name;
    if (!one_row(find_))
        return std::nullopt;
    branch_op op;
    op.branch_id = branch_id;
    op.op = name;
    op.url = url_;
    op.data = data_ind_ == soci::i_ok ? data_ : std::string();
    op.status = status_from(status_).value_or(status::prepared);
    return op;
}

void sqlite_operations::end(std::string const& gid, record_write::entry const& e, std::int64_t now)
{
    gid_ = gid;
    branch_id_ = e.branch_id;
    op_ = e.op;
    status_ = to_string(e.status);
    now_ = now;
    end_.execute(true);
}

sqlite_operation_reads::sqlite_operation_reads(soci::session& sql) : select_(sql)
{
    row_.into(select_);
    select_.exchange(soci::use(gids_));
    select_.alloc();
    select_.prepare(operation_row::selection(sqlite(), sqlite_tables().branch, "SELECT value FROM json_each(:gids)"));
    select_.define_and_bind();
}

void sqlite_operation_reads::add_to(std::span<transaction> rows)
{
    auto const patterns = patterns_among(rows);
    if (patterns.empty())
        return;
    gids_ = "[";
    for (auto const* t : patterns)
    {
        gids_ += gids_.size() > 1 ? "," : "";
        detail::append_json_string(gids_, t->gid);
    }
    gids_ += ']';
    by_gid add(patterns);
    for (bool more = select_.execute(true); more; more = select_.fetch())
        add(row_);
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
