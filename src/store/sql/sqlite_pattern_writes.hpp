// The writes that only patterns have, as prepared statements on the writing connection. Everything here runs inside a transaction that
// the caller has begun.
#pragma once

#include "src/store/sql/sqlite_heads.hpp"
#include "src/store/sql/sqlite_operations.hpp"

#include <weft/store.hpp>

namespace weft {
inline namespace v0 {
namespace sql_store {

class sqlite_pattern_writes
{
public:
    sqlite_pattern_writes(soci::session& sql, sqlite_heads& heads, sqlite_operations& operations);

    // As sqlite_writes::apply.
    write_result apply(record_write const& w, std::int64_t now, bool repeated);
    write_result apply(register_write const& w, std::int64_t now, bool repeated);
    write_result apply(decide_write const& w, std::int64_t now, bool repeated);

private:
    // `t` where it is to be written, null where not.
    static void set(std::string& variable, soci::indicator& indicator, std::string const& t, bool there);

    void set_status(status to, std::string const& reason, std::int64_t now);

    sqlite_heads&      heads_;
    sqlite_operations& operations_;

    // Bound variables, shared by the statements.
    std::string     gid_, type_, owner_, status_, reason_, result_, options_, custom_data_;
    soci::indicator reason_ind_ = soci::i_null, result_ind_ = soci::i_null, options_ind_ = soci::i_null, custom_data_ind_ = soci::i_null,
                    finished_ind_ = soci::i_null, rolled_back_ind_ = soci::i_null;
    std::int64_t    position_ = 0, after_ = 0, now_ = 0, from_ = 0;
    int             attempts_ = 0;
    soci::statement record_, record_status_, register_, decide_;
};

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
