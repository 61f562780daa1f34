#include "src/store/sql/sqlite_heads.hpp"

#include "src/store/sql/sql_words.hpp"

#include <weft/detail/fault.hpp>

namespace weft {
inline namespace v0 {
namespace sql_store {

// A planted fault leaves one half of it out.
std::string mine()
{
    std::string const owner = detail::fault(detail::planted::owner_check) ? " AND (owner = :owner OR 1)" : " AND owner = :owner";
    std::string const position =
        detail::fault(detail::planted::position_check) ? " AND (position = :position OR 1)" : " AND position = :position";
    return " WHERE gid = :gid" + owner + position + " AND " + unfinished;
}

sqlite_heads::sqlite_heads(soci::session& sql)
    : find_((sql.prepare << "SELECT owner, status, position, cancel_requested, ext_data, create_time, trans_type, workflow, custom_data "
                            "FROM trans_global WHERE gid = :gid",
             soci::use(gid_), soci::into(head_.owner), soci::into(head_.status), soci::into(head_.position),
             soci::into(head_.cancel_requested), soci::into(head_.ext_data, ext_ind_), soci::into(head_.created),
             soci::into(head_.trans_type), soci::into(head_.workflow), soci::into(head_.custom_data)))
    , find_engine_((sql.prepare << "SELECT count(*) FROM kv WHERE cat = 'engine' AND k = :engine", soci::use(engine_), soci::into(count_)))
{ }

std::optional<sqlite_heads::head> sqlite_heads::find(std::string const& gid)
{
    gid_ = gid;
    if (!one_row(find_))
        return std::nullopt;
    return head_;
}

bool sqlite_heads::is_alive(std::string const& engine)
{
    if (engine == alive_)
        return true;
    engine_ = engine;
    one_row(find_engine_);
    if (count_ == 0)
        return false;
    alive_ = engine;
    return true;
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
