#include "src/store/sql/sqlite_writes.hpp"

#include "src/store/sql/transaction_row.hpp"

#include <weft/detail/codec.hpp>

#include <boost/json/serialize.hpp>

namespace weft {
inline namespace v0 {
namespace sql_store {

namespace {

constexpr char const* extended = "UPDATE main.trans_global SET ext_data = substr(ext_data, 1, length(ext_data) - 2) || :entries || ']}', "
                                 "position = :after, attempts = 0, sends = 0, last_error = NULL, update_time = :now";
constexpr char const* extended_by_a_send =
    "UPDATE main.trans_global SET ext_data = substr(ext_data, 1, length(ext_data) - 2) || :entries || "
    "']}', position = :after, update_time = :now";

// Everything since BEGIN is undone, also what others wrote in the same batch: they are written again without this one.
std::runtime_error transaction_ended()
{
    return std::runtime_error("its local transaction was ended while it ran: nothing that was done there counts");
}

}  // namespace

sqlite_writes::sqlite_writes(sqlite_connection& connection)
    : connection_(connection)
    , sql_(connection.sql())
    , heads_(sql_)
    , operations_(sql_)
    , creation_(sql_, operations_)
    , patterns_(sql_, heads_, operations_)
    , extend_((sql_.prepare << std::string(extended) + mine(), soci::use(entries_), soci::use(after_), soci::use(now_), soci::use(gid_),
               soci::use(owner_), soci::use(position_)))
    , send_again_((sql_.prepare << std::string(extended_by_a_send) + mine(), soci::use(entries_), soci::use(after_), soci::use(now_),
                   soci::use(gid_), soci::use(owner_), soci::use(position_)))
    , commit_((sql_.prepare << std::string(extended) + ", status = :status, result = :text, finish_time = :finish" + mine() +
                                   " AND cancel_requested = 0",
               soci::use(entries_), soci::use(after_), soci::use(now_), soci::use(status_), soci::use(text_, text_ind_),
               soci::use(now_, finish_ind_), soci::use(gid_), soci::use(owner_), soci::use(position_)))
    , roll_back_((sql_.prepare << std::string(extended) +
                                      ", status = :status, rollback_reason = :text, result = :details, rollback_time = :finish" + mine(),
                  soci::use(entries_), soci::use(after_), soci::use(now_), soci::use(status_), soci::use(text_),
                  soci::use(details_, details_ind_), soci::use(now_, finish_ind_), soci::use(gid_), soci::use(owner_),
                  soci::use(position_)))
    , finish_((sql_.prepare << std::string(extended) + ", status = 'succeed', finish_time = :finish" + mine(), soci::use(entries_),
               soci::use(after_), soci::use(now_), soci::use(now_), soci::use(gid_), soci::use(owner_), soci::use(position_)))
    , abort_((sql_.prepare << std::string(extended) + ", status = 'failed', rollback_time = :finish" + mine(), soci::use(entries_),
              soci::use(after_), soci::use(now_), soci::use(now_), soci::use(gid_), soci::use(owner_), soci::use(position_)))
    , part_((sql_.prepare << "INSERT INTO main.trans_branch_op (gid, branch_id, op, status, bin_data, create_time, update_time) "
                             "SELECT gid, :branch_id, 'journal', 'succeed', ext_data, :now, :now2 FROM main.trans_global" +
                                 mine(),
             soci::use(branch_id_), soci::use(now_), soci::use(now_), soci::use(gid_), soci::use(owner_), soci::use(position_)))
    , header_update_(
          (sql_.prepare << "UPDATE main.trans_global SET ext_data = :header WHERE gid = :gid", soci::use(header_), soci::use(gid_)))
    , park_((sql_.prepare
                 << "UPDATE main.trans_global SET owner = '', next_cron_time = CASE WHEN cancel_requested = 1 AND status = 'prepared' AND "
                    ":despite = 0 THEN :now ELSE :due END, next_cron_interval = :interval, attempts = CASE WHEN :attempts = 1 THEN "
                    "attempts ELSE 0 END, "
                    "sends = :sends, "
                    "last_error = :text, update_time = :now2" +
                        mine(),
             soci::use(despite_), soci::use(now_), soci::use(due_), soci::use(interval_), soci::use(attempts_), soci::use(sends_),
             soci::use(text_), soci::use(now_), soci::use(gid_), soci::use(owner_), soci::use(position_)))
    , pause_(
          (sql_.prepare << "UPDATE main.trans_global SET owner = '', next_cron_time = :due, next_cron_interval = :interval, attempts = 0, "
                           "sends = :sends, paused_reason = :text, "
                           "last_error = :text2, update_time = :now" +
                               mine() + " AND (cancel_requested = 0 OR status <> 'prepared' OR :despite = 1)",
           soci::use(due_), soci::use(interval_), soci::use(sends_), soci::use(text_), soci::use(text_), soci::use(now_), soci::use(gid_),
           soci::use(owner_), soci::use(position_), soci::use(despite_)))
    ,
    // A request makes the row due, unless somebody runs it: then the owner finds the request.
    cancel_((sql_.prepare
                 << "UPDATE main.trans_global SET cancel_requested = 1, paused_reason = NULL, next_cron_time = :now, update_time = :now2 "
                    "WHERE gid = :gid AND status = 'prepared' AND workflow <> ''",
             soci::use(now_), soci::use(now_), soci::use(gid_)))
    , resume_(
          (sql_.prepare << "UPDATE main.trans_global SET paused_reason = NULL, attempts = 0, next_cron_time = :now, update_time = :now2 "
                           "WHERE gid = :gid AND "
                        << unfinished,
           soci::use(now_), soci::use(now_), soci::use(gid_)))
{ }

sqlite_writes::~sqlite_writes() = default;

write_result sqlite_writes::apply(create_write const& w, std::int64_t now, bool repeated)
{
    bool const alive = w.owner.empty() || heads_.is_alive(w.owner);
    if (alive && !names_one_twice(w.ops) && creation_.apply(w, now))
        return {written::done, {}, std::chrono::system_clock::time_point(std::chrono::milliseconds(now))};
    return refusal_of(w, heads_, repeated, alive, [&] { return operations_.find(w.gid, w.ops); });
}

bool sqlite_writes::seal(extend_write const& w, std::int64_t now)
{
    gid_ = w.gid;
    owner_ = w.owner;
    position_ = w.position;
    now_ = now;
    auto const number = std::to_string(w.seal_part);
    branch_id_ = std::string(8 - std::min<std::size_t>(8, number.size()), '0') + number;
    part_.execute(true);
    if (part_.get_affected_rows() == 0)
        return false;
    header_ = R"({"parts":)" + number + R"(,"entries":)" + std::to_string(w.seal_entries) + R"(,"journal":[]})";
    header_update_.execute(true);
    return true;
}

bool sqlite_writes::execute(extend_write const& w, std::int64_t now)
{
    // All or nothing: what would refuse the extension itself must refuse the sealing before it.
    if (w.seal_part > 0 && w.decide == extend_write::decision::commit)
        if (auto const row = heads_.find(w.gid); !row || row->row.cancel_requested)
            return false;
    if (w.seal_part > 0 && !seal(w, now))
        return false;
    gid_ = w.gid;
    owner_ = w.owner;
    position_ = w.position;
    after_ = w.position_after();
    entries_ = w.entries;
    now_ = now;
    auto* statement = w.sent_again ? &send_again_ : &extend_;
    if (w.decide != extend_write::decision::none)
    {
        bool const commits = w.decide == extend_write::decision::commit;
        text_ = w.text;
        text_ind_ = w.text.empty() ? soci::i_null : soci::i_ok;
        details_ = w.details;
        details_ind_ = w.details.empty() ? soci::i_null : soci::i_ok;
        finish_ind_ = w.finish ? soci::i_ok : soci::i_null;
        status_ = to_string(commits ? (w.finish ? status::succeed : status::submitted) : (w.finish ? status::failed : status::aborting));
        statement = commits ? &commit_ : &roll_back_;
    }
    else if (w.finish)
        statement = w.commits ? &finish_ : &abort_;
    statement->execute(true);
    return statement->get_affected_rows() > 0;
}

bool sqlite_writes::applied(extend_write const& w)
{
    auto const found = heads_.find(w.gid);
    if (!found)
        return false;
    auto view = row_rules::view_of(found->row);
    view.status = found->status;
    return row_rules::shows(view, w);
}

write_result sqlite_writes::apply(extend_write const& w, std::int64_t now, bool repeated)
{
    return execute(w, now) ? write_result() : refusal_of(w, heads_, repeated, true);
}

write_result sqlite_writes::apply(park_write const& w, std::int64_t now, bool repeated)
{
    gid_ = w.gid;
    owner_ = w.owner;
    position_ = w.position;
    sends_ = static_cast<int>(w.sends);
    interval_ = seconds_of(w.interval);
    now_ = now;
    bool const pauses = !w.paused_reason.empty();
    text_ = pauses ? w.paused_reason : w.last_error;
    due_ = pauses ? never : now + w.due_in.count();
    attempts_ = w.keep_attempts ? 1 : 0;
    despite_ = w.despite_cancel ? 1 : 0;
    auto& statement = pauses ? pause_ : park_;
    statement.execute(true);
    if (statement.get_affected_rows() > 0)
        return {};
    return refusal_of(w, heads_, repeated, true);
}

write_result sqlite_writes::apply(request_write const& w, std::int64_t now, bool repeated)
{
    gid_ = w.gid;
    now_ = now;
    auto& statement = w.what == request_write::kind::cancel ? cancel_ : resume_;
    statement.execute(true);
    return statement.get_affected_rows() > 0 ? write_result() : refusal_of(w, heads_, repeated, true);
}

bool sqlite_writes::record(extend_write const& w)
{
    // Else the entry would be committed by itself.
    if (!connection_.in_transaction())
        throw transaction_ended();
    connection_.take_back();
    return execute(w, now_);
}

write_result sqlite_writes::apply(local_write const& w, std::int64_t now, bool)
{
    now_ = now;
    sql_store::execute(sql_, "SAVEPOINT local_operation");
    bool done = false;
    connection_.lend();
    try
    {
        done = w.operation->run(*this);
        connection_.take_back();
    }
    catch (...)
    {
        connection_.take_back();
        if (!connection_.in_transaction())
            throw transaction_ended();
        sqlite_api::sqlite3_exec(handle(sql_), "ROLLBACK TO local_operation; RELEASE local_operation", nullptr, nullptr, nullptr);
        throw;
    }
    if (!connection_.in_transaction())
        throw transaction_ended();
    try
    {
        if (!done)
            sql_store::execute(sql_, "ROLLBACK TO local_operation");
        sql_store::execute(sql_, "RELEASE local_operation");
    }
    catch (std::exception const& e)
    {
        // The savepoint went with its transaction, and another one was begun.
        if (is_trouble(e))
            throw;
        throw transaction_ended();
    }
    return {done ? written::done : written::refused, {}, {}};
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
