// A row of trans_global as the SQL stores read it.
#pragma once

#include "src/store/sql/sql_words.hpp"

#include <weft/store.hpp>

#include <soci/soci.h>

#include <vector>

namespace weft {
inline namespace v0 {
namespace sql_store {

// What custom_data holds: of a pattern, what the client gave; of a workflow, JSON: {"name":NAME,"input":INPUT}, as dtm's but for the input,
// which is not base64.
std::string custom_data_of(create_write const& w);

// As a condition: the status is one of a set, where `mask` (an expression) holds it as `mask_of` makes it.
std::string  status_is_in(std::string const& status, std::string const& mask);
std::int64_t mask_of(std::vector<status> const& set);

std::int64_t                          milliseconds_of(std::chrono::system_clock::time_point t);
std::chrono::system_clock::time_point time_from(std::int64_t ms);

// What the column next_cron_interval holds: whole seconds.
std::int64_t seconds_of(std::chrono::milliseconds interval);

// Why a transaction waits for a person whose row, or an operation of whose, has a status that this version does not know: a newer one's, or a slip of
// somebody's hand. Nothing is done by guessing.
std::string unknown_status(std::string const& where, std::string const& status);

// A row of `columns()`: the variables that a statement writes into, in this order.
struct transaction_row
{
    std::string gid, trans_type, workflow, custom_data, status, owner, result, reason, last_error, paused_reason, ext_data, query_prepared,
        protocol, options;
    std::int64_t    id = 0, position = 0, created = 0, updated = 0, due = 0, finished = 0, rolled_back = 0;
    int             interval = 0, attempts = 0, sends = 0, cancel_requested = 0;
    soci::indicator result_ind = soci::i_null, reason_ind = soci::i_null, last_error_ind = soci::i_null, paused_ind = soci::i_null,
                    ext_ind = soci::i_null, created_ind = soci::i_null, updated_ind = soci::i_null, due_ind = soci::i_null,
                    interval_ind = soci::i_null, finished_ind = soci::i_null, rolled_back_ind = soci::i_null;

    static std::string columns(sql_words const& words);

    void into(soci::statement& s);

    // An unknown status becomes `prepared`, with a reason to pause.
    transaction as_transaction(std::int64_t now) const;
};

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
