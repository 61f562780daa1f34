// A row of trans_global as the SQL stores read it.
#pragma once

#include <weft/store.hpp>

#include <soci/soci.h>

#include <functional>

namespace weft {
inline namespace v0 {
namespace sql_store {

// The JSON in custom_data: {"name":NAME,"input":INPUT}, as dtm's but for the input, which is not base64.
std::string custom_data_of(std::string const& workflow, std::string const& input);
std::string input_from(std::string const& workflow, std::string const& custom_data);

// As a condition: what is not over, by the words of SQLite's partial index (schema), which are matched as text.
inline constexpr char const* unfinished = "status NOT IN ('succeed', 'failed')";

// A row of `columns()`: the variables that a statement writes into, in this order.
struct transaction_row
{
    std::string     gid, trans_type, workflow, custom_data, status, owner, result, reason, last_error, paused_reason, ext_data;
    std::int64_t    position = 0, created = 0, updated = 0, due = 0;
    int             attempts = 0, sends = 0, cancel_requested = 0;
    soci::indicator result_ind = soci::i_null, reason_ind = soci::i_null, last_error_ind = soci::i_null, paused_ind = soci::i_null,
                    ext_ind = soci::i_null, created_ind = soci::i_null, updated_ind = soci::i_null, due_ind = soci::i_null;

    // What to select. `milliseconds_of` makes milliseconds since 1970 of a column of time; null: it holds them.
    static std::string columns(std::function<std::string(std::string const& column)> const& milliseconds_of = {});

    void        into(soci::statement& s);
    transaction as_transaction() const;
};

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
