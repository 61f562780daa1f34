#include "src/store/sql/sqlite_writes.hpp"

#include <weft/detail/codec.hpp>
#include <weft/detail/fault.hpp>

#include <boost/json/serialize.hpp>

#include <limits>

namespace weft {
inline namespace v0 {
namespace sql_store {

namespace {

using detail::fault;
using detail::planted;

constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

// What makes a write conditional (I5). A planted fault leaves one half of it out.
std::string mine()
{
    std::string const owner = fault(planted::owner_check) ? " AND (owner = :owner OR 1)" : " AND owner = :owner";
    std::string const position = fault(planted::position_check) ? " AND (position = :position OR 1)" : " AND position = :position";
    return " WHERE gid = :gid" + owner + position + " AND " + unfinished;
}

constexpr char const* extended = "UPDATE trans_global SET ext_data = substr(ext_data, 1, length(ext_data) - 2) || :entries || ']}', "
                                 "position = :after, attempts = 0, sends = 0, last_error = NULL, update_time = :now";

// Everything since BEGIN is undone, also what others wrote in the same batch: they are written again without this one.
std::runtime_error transaction_ended()
{
    return std::runtime_error("its local transaction was ended while it ran: nothing that was done there counts");
}

}  // namespace

sqlite_writes::sqlite_writes(sqlite_connection& connection)
    : connection_(connection)
    , sql_(connection.sql())
    , create_((sql_.prepare
                   << "INSERT INTO trans_global (gid, trans_type, status, workflow, custom_data, owner, attempts, ext_data, create_time, "
                      "update_time, next_cron_time) VALUES (:gid, :trans_type, 'prepared', :workflow, :custom_data, :owner, :attempts, "
                      "'{\"journal\":[]}', :now, :now2, :due) ON CONFLICT (gid) DO NOTHING",
               soci::use(gid_), soci::use(trans_type_), soci::use(workflow_), soci::use(custom_data_), soci::use(owner_),
               soci::use(attempts_), soci::use(now_), soci::use(now_), soci::use(due_)))
    , extend_((sql_.prepare << std::string(extended) + mine(), soci::use(entries_), soci::use(after_), soci::use(now_), soci::use(gid_),
               soci::use(owner_), soci::use(position_)))
    , commit_((sql_.prepare << std::string(extended) + ", status = :status, result = :text, finish_time = :finish" + mine() +
                                   " AND cancel_requested = 0",
               soci::use(entries_), soci::use(after_), soci::use(now_), soci::use(status_), soci::use(text_, text_ind_),
               soci::use(now_, finish_ind_), soci::use(gid_), soci::use(owner_), soci::use(position_)))
    , roll_back_((sql_.prepare << std::string(extended) + ", status = :status, rollback_reason = :text, rollback_time = :finish" + mine(),
                  soci::use(entries_), soci::use(after_), soci::use(now_), soci::use(status_), soci::use(text_),
                  soci::use(now_, finish_ind_), soci::use(gid_), soci::use(owner_), soci::use(position_)))
    , finish_((sql_.prepare << std::string(extended) + ", status = 'succeed', finish_time = :finish" + mine(), soci::use(entries_),
               soci::use(after_), soci::use(now_), soci::use(now_), soci::use(gid_), soci::use(owner_), soci::use(position_)))
    , abort_((sql_.prepare << std::string(extended) + ", status = 'failed', rollback_time = :finish" + mine(), soci::use(entries_),
              soci::use(after_), soci::use(now_), soci::use(now_), soci::use(gid_), soci::use(owner_), soci::use(position_)))
    , part_((sql_.prepare << "INSERT INTO trans_branch_op (gid, branch_id, op, status, bin_data, create_time, update_time) "
                             "SELECT gid, :branch_id, 'journal', 'succeed', ext_data, :now, :now2 FROM trans_global" +
                                 mine(),
             soci::use(branch_id_), soci::use(now_), soci::use(now_), soci::use(gid_), soci::use(owner_), soci::use(position_)))
    , header_update_((sql_.prepare << "UPDATE trans_global SET ext_data = :header WHERE gid = :gid", soci::use(header_), soci::use(gid_)))
    , park_((sql_.prepare
                 << "UPDATE trans_global SET owner = '', next_cron_time = CASE WHEN cancel_requested = 1 AND status = 'prepared' THEN "
                    ":now ELSE :due END, attempts = CASE WHEN :attempts = 1 THEN attempts ELSE 0 END, sends = :sends, "
                    "last_error = :text, update_time = :now2" +
                        mine(),
             soci::use(now_), soci::use(due_), soci::use(attempts_), soci::use(sends_), soci::use(text_), soci::use(now_), soci::use(gid_),
             soci::use(owner_), soci::use(position_)))
    , pause_((
          sql_.prepare << "UPDATE trans_global SET owner = '', next_cron_time = :due, attempts = 0, sends = :sends, paused_reason = :text, "
                          "last_error = :text2, update_time = :now" +
                              mine(),
          soci::use(due_), soci::use(sends_), soci::use(text_), soci::use(text_), soci::use(now_), soci::use(gid_), soci::use(owner_),
          soci::use(position_)))
    ,
    // A request makes the row due, unless somebody runs it: then the owner finds the request.
    cancel_(
        (sql_.prepare << "UPDATE trans_global SET cancel_requested = 1, paused_reason = NULL, next_cron_time = :now, update_time = :now2 "
                         "WHERE gid = :gid AND status = 'prepared'",
         soci::use(now_), soci::use(now_), soci::use(gid_)))
    , resume_((sql_.prepare << "UPDATE trans_global SET paused_reason = NULL, attempts = 0, next_cron_time = :now, update_time = :now2 "
                               "WHERE gid = :gid AND "
                            << unfinished,
               soci::use(now_), soci::use(now_), soci::use(gid_)))
    , read_((sql_.prepare << "SELECT owner, status, position, cancel_requested, ext_data, create_time, workflow, custom_data FROM "
                             "trans_global WHERE gid = :gid",
             soci::use(gid_), soci::into(head_.owner), soci::into(head_.status), soci::into(head_.position),
             soci::into(head_.cancel_requested), soci::into(head_.ext_data, ext_ind_), soci::into(created_), soci::into(head_.workflow),
             soci::into(head_.custom_data)))
    , find_owner_((sql_.prepare << "SELECT count(*) FROM kv WHERE cat = 'engine' AND k = :owner", soci::use(owner_), soci::into(count_)))
{ }

sqlite_writes::~sqlite_writes() = default;

std::optional<sqlite_writes::head> sqlite_writes::read_head(std::string const& gid)
{
    gid_ = gid;
    if (!one_row(read_))
        return std::nullopt;
    return head_;
}

// The owner of a new row must be alive in this very transaction: nobody would look for work of an engine that is not listed.
bool sqlite_writes::is_alive(std::string const& owner)
{
    if (owner == alive_)
        return true;
    owner_ = owner;
    one_row(find_owner_);
    if (count_ == 0)
        return false;
    alive_ = owner;
    return true;
}

write_result sqlite_writes::apply(create_write const& w, std::int64_t now, bool repeated)
{
    if (!w.owner.empty() && !is_alive(w.owner))
        return {written::fenced, {}, {}};
    gid_ = w.gid;
    trans_type_ = w.trans_type;
    workflow_ = w.workflow;
    custom_data_ = custom_data_of(w.workflow, w.input);
    owner_ = w.owner;
    attempts_ = w.owner.empty() ? 0 : 1;
    due_ = now_ = now;
    create_.execute(true);
    std::chrono::system_clock::time_point const created{std::chrono::milliseconds(now)};
    if (create_.get_affected_rows() == 1)
        return {written::done, {}, created};
    if (repeated && !w.owner.empty())
        if (auto const row = read_head(w.gid);
            row && row->owner == w.owner && row->position == 0 && row->workflow == w.workflow && row->custom_data == custom_data_)
            return {written::done, {}, std::chrono::system_clock::time_point(std::chrono::milliseconds(created_))};
    return {written::exists, {}, {}};
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
        if (auto const row = read_head(w.gid); !row || row->cancel_requested)
            return false;
    if (w.seal_part > 0 && !seal(w, now))
        return false;
    gid_ = w.gid;
    owner_ = w.owner;
    position_ = w.position;
    after_ = w.position_after();
    entries_ = w.entries;
    now_ = now;
    auto* statement = &extend_;
    if (w.decide != extend_write::decision::none)
    {
        bool const commits = w.decide == extend_write::decision::commit;
        text_ = w.text;
        text_ind_ = w.text.empty() ? soci::i_null : soci::i_ok;
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
    auto const row = read_head(w.gid);
    return row && row->owner == w.owner && row->position == w.position_after() && row->ext_data.size() >= 2 &&
           std::string_view(row->ext_data).substr(0, row->ext_data.size() - 2).ends_with(w.entries);
}

write_result sqlite_writes::apply(extend_write const& w, std::int64_t now, bool repeated)
{
    if (execute(w, now))
        return {};
    if (repeated && applied(w))
        return {};
    auto const row = read_head(w.gid);
    if (!row)
        return {written::unknown_gid, {}, {}};
    if (w.decide == extend_write::decision::commit && row->cancel_requested && row->owner == w.owner && row->position == w.position)
        return {written::cancel_requested, {}, {}};
    return {written::fenced, {}, {}};
}

write_result sqlite_writes::apply(park_write const& w, std::int64_t now, bool repeated)
{
    gid_ = w.gid;
    owner_ = w.owner;
    position_ = w.position;
    sends_ = static_cast<int>(w.sends);
    now_ = now;
    bool const pauses = !w.paused_reason.empty();
    text_ = pauses ? w.paused_reason : w.last_error;
    due_ = pauses ? never : now + w.due_in.count();
    attempts_ = w.keep_attempts ? 1 : 0;
    auto& statement = pauses ? pause_ : park_;
    statement.execute(true);
    if (statement.get_affected_rows() > 0)
        return {};
    auto const row = read_head(w.gid);
    if (!row)
        return {written::unknown_gid, {}, {}};
    return {repeated && row->owner.empty() && row->position == w.position ? written::done : written::fenced, {}, {}};
}

write_result sqlite_writes::apply(request_write const& w, std::int64_t now, bool)
{
    gid_ = w.gid;
    now_ = now;
    auto& statement = w.what == request_write::kind::cancel ? cancel_ : resume_;
    statement.execute(true);
    if (statement.get_affected_rows() > 0)
        return {};
    if (!read_head(w.gid))
        return {written::unknown_gid, {}, {}};
    return {w.what == request_write::kind::cancel ? written::too_late : written::done, {}, {}};
}

bool sqlite_writes::record(extend_write const& w) { return execute(w, now_); }

write_result sqlite_writes::apply(local_write const& w, std::int64_t now, bool)
{
    now_ = now;
    sql_store::execute(sql_, "SAVEPOINT local_operation");
    bool done = false;
    connection_.refuse_commits(true);
    try
    {
        done = w.operation->run(*this);
        connection_.refuse_commits(false);
    }
    catch (...)
    {
        connection_.refuse_commits(false);
        if (!connection_.in_transaction())
            throw transaction_ended();
        sqlite_api::sqlite3_exec(handle(sql_), "ROLLBACK TO local_operation; RELEASE local_operation", nullptr, nullptr, nullptr);
        throw;
    }
    if (!connection_.in_transaction())
        throw transaction_ended();
    if (!done)
        sql_store::execute(sql_, "ROLLBACK TO local_operation");
    sql_store::execute(sql_, "RELEASE local_operation");
    return {done ? written::done : written::refused, {}, {}};
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
