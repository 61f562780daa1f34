// The writes of a batch as prepared statements on the writing connection. Everything here runs inside a transaction that
// the caller has begun.
#pragma once

#include "src/store/sql/sqlite_connection.hpp"
#include "src/store/sql/sqlite_creation.hpp"
#include "src/store/sql/sqlite_heads.hpp"
#include "src/store/sql/sqlite_pattern_writes.hpp"

#include <weft/store.hpp>

#include <limits>

namespace weft {
inline namespace v0 {
namespace sql_store {

inline constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();  // a due time

class sqlite_writes final : private record_writer
{
public:
    explicit sqlite_writes(sqlite_connection& connection);
    ~sqlite_writes() override;

    // `now` in milliseconds since 1970; `repeated` as in store::apply.
    write_result apply(create_write const& w, std::int64_t now, bool repeated);
    write_result apply(extend_write const& w, std::int64_t now, bool repeated);
    write_result apply(park_write const& w, std::int64_t now, bool repeated);
    write_result apply(record_write const& w, std::int64_t now, bool repeated) { return patterns_.apply(w, now, repeated); }
    write_result apply(register_write const& w, std::int64_t now, bool repeated) { return patterns_.apply(w, now, repeated); }
    write_result apply(decide_write const& w, std::int64_t now, bool repeated) { return patterns_.apply(w, now, repeated); }
    write_result apply(request_write const& w, std::int64_t now, bool repeated);
    write_result apply(local_write const& w, std::int64_t now, bool repeated);

    // Forgets which owners are known to be alive; at the beginning of each transaction.
    void begin() { heads_.begin(); }

private:
    // record_writer: for operations in this database
    std::any connection() override { return &sql_; }
    bool     record(extend_write const& w) override;
    bool     applied(extend_write const& w) override;

    bool seal(extend_write const& w, std::int64_t now);
    bool execute(extend_write const& w, std::int64_t now);

    sqlite_connection&    connection_;
    soci::session&        sql_;
    sqlite_heads          heads_;
    sqlite_operations     operations_;
    sqlite_creation       creation_;
    sqlite_pattern_writes patterns_;
    std::int64_t          now_ = 0;

    // Bound variables, shared by the statements.
    std::string     gid_, owner_, entries_, status_, text_, details_, header_, branch_id_;
    soci::indicator text_ind_ = soci::i_ok, details_ind_ = soci::i_null, finish_ind_ = soci::i_null;
    std::int64_t    due_ = 0, interval_ = 0, position_ = 0, after_ = 0;
    int             attempts_ = 0, sends_ = 0, despite_ = 0;

    soci::statement extend_, send_again_, commit_, roll_back_, finish_, abort_, part_, header_update_, park_, pause_, cancel_, resume_;
};

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
