#include "src/store/sql/server_creation.hpp"

#include "src/store/sql/operation_row.hpp"
#include "src/store/sql/transaction_row.hpp"

#include <weft/errors.hpp>

namespace weft {
inline namespace v0 {
namespace sql_store {

namespace {

// False: the gid is taken.
bool insert(soci::session& sql, dialect const& d, bool on_postgres, table_names const& tables, std::int64_t at, create_write const& w)
{
    auto const      custom_data = custom_data_of(w);
    auto const      status = std::string(to_string(w.status));
    auto const      now = d.time(at), due = d.time(at + w.due_in.count());
    soci::statement insert =
        (sql.prepare << "INSERT INTO " + tables.global +
                            " (gid, trans_type, status, workflow, custom_data, query_prepared, protocol, options, ext_data, create_time, "
                            "update_time, next_cron_time) VALUES (:gid, :type, :status, :workflow, :custom_data, :query_prepared, "
                            ":protocol, :options, '{\"journal\":[]}', " +
                            now + ", " + now + ", " + due + ")" + (on_postgres ? d.or_nothing() : ""),
         soci::use(w.gid), soci::use(w.trans_type), soci::use(status), soci::use(w.workflow), soci::use(custom_data),
         soci::use(w.query_prepared), soci::use(w.protocol), soci::use(w.options));
    try
    {
        insert.execute(true);
        return insert.get_affected_rows() == 1;
    }
    catch (soci::soci_error const& e)
    {
        // MySQL takes back the statement only.
        if (detail::fault_of(e) != detail::server_fault::data || on_postgres)
            throw;
        return false;
    }
}

}  // namespace

std::optional<transaction> create_on(soci::session& sql, dialect const& d, detail::server_kind kind, table_names const& tables,
                                     std::optional<std::int64_t> clock, create_write const& w)
{
    if (names_one_twice(w.ops))
        throw misuse(misuse::code::bad_value, named_twice, w.gid);
    std::int64_t at = 0;
    if (clock)
        at = *clock;
    else
        sql << "SELECT " + d.milliseconds_of(d.now()), soci::into(at);
    auto const now = d.time(at);
    try
    {
        if (insert(sql, d, kind == detail::server_kind::postgres, tables, at, w))
        {
            for (auto const& op : w.ops)
            {
                auto const  status = std::string(to_string(op.status));
                std::string hex;
                append_hex(hex, op.data);
                sql << "INSERT INTO " + tables.branch +
                           " (gid, branch_id, op, url, bin_data, status, create_time, update_time, finish_time) VALUES (:gid, :branch_id, "
                           ":op, :url, " +
                           d.bytes_of_hex(":data") + ", :status, " + now + ", " + now + ", " +
                           (op.status == weft::status::prepared ? "NULL" : now) + ")",
                    soci::use(w.gid), soci::use(op.branch_id), soci::use(op.op), soci::use(op.url), soci::use(hex), soci::use(status);
            }
            return std::nullopt;
        }
    }
    catch (soci::soci_error const& e)
    {
        throw std::runtime_error(detail::server_message(e));
    }
    // A locking read: an old snapshot would not show what the insert collided with. It asks for no more than the insert has locked on MySQL:
    // the engine, or another caller, may wait for that row already, and would wait for us as we for it.
    transaction_row            row;
    soci::statement            find(sql);
    std::optional<transaction> found;
    row.into(find);
    find.exchange(soci::use(w.gid));
    find.alloc();
    find.prepare("SELECT " + transaction_row::columns(d) + " FROM " + tables.global + " AS t WHERE gid = :gid" + d.for_key_share("t"));
    find.define_and_bind();
    if (find.execute(true))
        found = row.as_transaction(at);
    if (!found)
        throw std::runtime_error("the transaction " + w.gid + " can be neither created nor found");
    return found;
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
