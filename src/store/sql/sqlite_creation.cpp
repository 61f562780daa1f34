#include "src/store/sql/sqlite_creation.hpp"

#include "src/store/sql/transaction_row.hpp"

namespace weft {
inline namespace v0 {
namespace sql_store {

sqlite_creation::sqlite_creation(soci::session& sql, sqlite_operations& operations)
    : operations_(operations)
    , create_(
          (sql.prepare << "INSERT INTO main.trans_global (gid, trans_type, status, workflow, custom_data, owner, query_prepared, protocol, "
                          "options, attempts, ext_data, create_time, update_time, next_cron_time) VALUES (:gid, :trans_type, :status, "
                          ":workflow, :custom_data, :owner, :query_prepared, :protocol, :options, :attempts, '{\"journal\":[]}', :now, "
                          ":now2, :due) ON CONFLICT (gid) DO NOTHING",
           soci::use(gid_), soci::use(trans_type_), soci::use(status_), soci::use(workflow_), soci::use(custom_data_), soci::use(owner_),
           soci::use(query_prepared_), soci::use(protocol_), soci::use(options_), soci::use(attempts_), soci::use(now_), soci::use(now_),
           soci::use(due_)))
{ }

bool sqlite_creation::apply(create_write const& w, std::int64_t now)
{
    gid_ = w.gid;
    trans_type_ = w.trans_type;
    status_ = to_string(w.status);
    workflow_ = w.workflow;
    custom_data_ = custom_data_of(w);
    owner_ = w.owner;
    query_prepared_ = w.query_prepared;
    protocol_ = w.protocol;
    options_ = w.options;
    attempts_ = w.owner.empty() ? 0 : 1;
    now_ = now;
    due_ = now + w.due_in.count();
    create_.execute(true);
    if (create_.get_affected_rows() == 0)
        return false;
    for (auto const& op : w.ops)
        operations_.insert(w.gid, op, now);
    return true;
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
