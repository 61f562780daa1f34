#include "src/store/sql/sqlite_pattern_writes.hpp"

#include "src/store/sql/transaction_row.hpp"

namespace weft {
inline namespace v0 {
namespace sql_store {

namespace {

constexpr char const* recorded =
    "UPDATE main.trans_global SET position = :after, attempts = 0, sends = 0, last_error = NULL, update_time = :now";

constexpr char const* with_status = ", status = :status, rollback_reason = COALESCE(:reason, rollback_reason), "
                                    "finish_time = COALESCE(:finished, finish_time), rollback_time = COALESCE(:rolled_back, rollback_time)";

}  // namespace

sqlite_pattern_writes::sqlite_pattern_writes(soci::session& sql, sqlite_heads& heads, sqlite_operations& operations)
    : heads_(heads)
    , operations_(operations)
    , record_(
          (sql.prepare << recorded + mine(), soci::use(after_), soci::use(now_), soci::use(gid_), soci::use(owner_), soci::use(position_)))
    , record_status_((sql.prepare << std::string(recorded) + with_status + mine(), soci::use(after_), soci::use(now_), soci::use(status_),
                      soci::use(reason_, reason_ind_), soci::use(now_, finished_ind_), soci::use(now_, rolled_back_ind_), soci::use(gid_),
                      soci::use(owner_), soci::use(position_)))
    , register_((sql.prepare << "UPDATE main.trans_global SET position = position + :count, update_time = :now WHERE gid = :gid",
                 soci::use(after_), soci::use(now_), soci::use(gid_)))
    , decide_((sql.prepare << "UPDATE main.trans_global SET position = position + 1, owner = :owner, attempts = :attempts, sends = 0, "
                              "paused_reason = NULL, last_error = NULL, next_cron_time = :due, update_time = :now" +
                                  std::string(with_status) +
                                  ", result = COALESCE(:result, result), options = COALESCE(:options, options), custom_data = "
                                  "COALESCE(:custom_data, custom_data) WHERE gid = :gid AND workflow = '' AND (:type = '' OR trans_type = "
                                  ":type2) AND " +
                                  status_is_in("status", ":from"),
               soci::use(owner_), soci::use(attempts_), soci::use(now_), soci::use(now_), soci::use(status_),
               soci::use(reason_, reason_ind_), soci::use(now_, finished_ind_), soci::use(now_, rolled_back_ind_),
               soci::use(result_, result_ind_), soci::use(options_, options_ind_), soci::use(custom_data_, custom_data_ind_),
               soci::use(gid_), soci::use(type_), soci::use(type_), soci::use(from_)))
{ }

void sqlite_pattern_writes::set(std::string& variable, soci::indicator& indicator, std::string const& t, bool there)
{
    indicator = there ? soci::i_ok : soci::i_null;
    if (there)
        variable = t;
}

void sqlite_pattern_writes::set_status(status to, std::string const& reason, std::int64_t now)
{
    status_ = to_string(to);
    set(reason_, reason_ind_, reason, !reason.empty());
    now_ = now;
    finished_ind_ = to == status::succeed ? soci::i_ok : soci::i_null;
    rolled_back_ind_ = to == status::failed ? soci::i_ok : soci::i_null;
}

write_result sqlite_pattern_writes::apply(record_write const& w, std::int64_t now, bool repeated)
{
    gid_ = w.gid;
    owner_ = w.owner;
    position_ = w.position;
    after_ = w.position_after();
    now_ = now;
    if (w.to)
        set_status(*w.to, w.reason, now);
    auto& statement = w.to ? record_status_ : record_;
    statement.execute(true);
    if (statement.get_affected_rows() > 0)
    {
        for (auto const& e : w.entries)
            operations_.end(w.gid, e, now);
        return {};
    }
    return refusal_of(w, heads_, repeated, true, [&] { return operations_.find(w.gid, w.entries); });
}

write_result sqlite_pattern_writes::apply(register_write const& w, std::int64_t now, bool repeated)
{
    // All of them are looked at before any is written.
    auto       row = heads_.find(w.gid);
    auto const judged = judge(w, row, repeated, true, [&] { return operations_.find(w.gid, w.ops); });
    if (!judged.accepted)
        return judged.result;
    for (auto const& op : judged.news)
        operations_.insert(w.gid, op, now);
    gid_ = w.gid;
    after_ = static_cast<std::int64_t>(judged.news.size());
    now_ = now;
    register_.execute(true);
    return {};
}

write_result sqlite_pattern_writes::apply(decide_write const& w, std::int64_t now, bool repeated)
{
    bool const leases = !w.owner.empty() && !is_final(w.to);
    bool const alive = w.owner.empty() || heads_.is_alive(w.owner);
    if (alive)
    {
        gid_ = w.gid;
        type_ = w.trans_type;
        owner_ = leases ? w.owner : "";
        attempts_ = leases ? 1 : 0;
        from_ = mask_of(w.from);
        set_status(w.to, w.reason, now);
        set(result_, result_ind_, w.result, !w.result.empty());
        set(options_, options_ind_, w.options.value_or(""), w.options.has_value());
        set(custom_data_, custom_data_ind_, w.custom_data.value_or(""), w.custom_data.has_value());
        decide_.execute(true);
        if (decide_.get_affected_rows() > 0)
            return {};
    }
    return refusal_of(w, heads_, repeated, alive);
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
