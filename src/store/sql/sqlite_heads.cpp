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
    : find_(sql)
    , find_engine_(
          (sql.prepare << "SELECT count(*) FROM main.kv WHERE cat = 'engine' AND k = :engine", soci::use(engine_), soci::into(count_)))
{
    find_.exchange(soci::use(gid_));
    row_.into(find_);
    find_.alloc();
    find_.prepare("SELECT " + transaction_row::columns(sqlite()) + " FROM main.trans_global WHERE gid = :gid");
    find_.define_and_bind();
}

std::optional<sqlite_heads::head> sqlite_heads::find(std::string const& gid)
{
    gid_ = gid;
    if (!one_row(find_))
        return std::nullopt;
    return head{row_.status, row_.as_transaction(0)};
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
