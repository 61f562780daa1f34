// A workflow's journal as a coordinator keeps it: a log of rows, each a branch "00" with the operation "journal-N", counted from 0.
//
// A coordinator adds no second row under a name that is taken, and rows of a log are read and written in order. So whoever writes row N has
// read all before it, and of two who want to write row N one is refused: that is what fences here (I5), where no row has an owner.
//
// A row's data is a line of JSON, and behind it what that line is about:
//
//     {"by":"5c0e…","does":"claim"}                      who runs it from here on
//     {"by":"5c0e…","does":"extend","count":2}           two entries of the journal, which follow
//     {"by":"5c0e…","does":"extend","count":1,"decide":"commit","text":…}
//     {"by":"5c0e…","does":"extend","decide":"roll_back","text":"no","details":…}   the reason, and the failure's code and payload as JSON text
//     {"by":"5c0e…","does":"extend","count":1,"again":1} an operation is sent again: no progress
//     {"by":"5c0e…","does":"input"}                      the input, where it was too long to go with the creation
//     {"by":"5c0e…","does":"pause","text":"why"}         nothing, where it is to be cancelled; with "despite":1 it is paused none the less
//     {"does":"cancel"}   {"does":"resume"}              anybody's request
//     {"by":"5c0e…","does":"part","number":1,"of":3}     a piece of a row that was too long
#pragma once

#include "src/remote/requests.hpp"

#include <weft/store.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft {
inline namespace v0 {
namespace remote_detail {

// dtm's columns: 65,535 bytes of data, and 1,024 of custom_data, result and rollback_reason, of which base64 makes three quarters.
inline constexpr std::size_t row_limit = 48u << 10;
inline constexpr std::size_t column_limit = 1'024;

enum class record_type : std::uint8_t
{
    claim,
    extend,
    input,
    pause,
    cancel,
    resume,
    part,
    unknown  // somebody else's row, or a newer weft's
};

struct log_row
{
    record_type  does = record_type::unknown;
    std::string  by;
    extend_write extends;                 // extend: entries without a comma in front; gid, owner and position are not in it
    std::string  text;                    // input, pause
    bool         despite_cancel = false;  // pause
};

// The data of the rows that `r` takes: one, or parts and one.
std::vector<std::string> written(log_row const& r);

// What is sent when a transaction is created, in its custom_data.
struct creation
{
    std::string                           name;   // of the workflow
    std::string                           input;  // JSON; not here if `apart`
    std::string                           token;  // of the one who created it; empty: another client than weft
    std::chrono::system_clock::time_point at;     // by the creator's clock
    bool                                  apart = false;
    static creation                       read(std::string_view custom_data);
    std::string                           text() const;
};

// A transaction as its coordinator has it.
struct seen
{
    transaction   row;              // as the engine knows it; no owner
    std::uint64_t rows = 0;         // of its log
    std::string   by;               // who wrote last, requests apart
    std::string   token;            // of its creator; empty: no workflow of weft's
    bool          whole = true;     // its input is there
    bool          readable = true;  // false: a row in it is of an unknown kind

    bool is_weft() const noexcept { return row.trans_type == "workflow" && !token.empty(); }
};

// `branches` in any order. Errors: store_error if what must be there is not.
seen read_transaction(boost::json::object const& transaction, boost::json::array const& branches);

// The same from a reply; nothing if there is no such transaction. `branches`: how the reply calls them.
std::optional<seen> seen_in(coordinator_reply const& reply, char const* branches);

// The data of row `number`; null if there is none.
struct raw_row
{
    std::uint64_t number = 0;
    std::string   data;
};
std::vector<raw_row> rows_of(boost::json::array const& branches);

log_row read_row(std::string_view data);

std::string row_name(std::uint64_t number);

}  // namespace remote_detail
}  // namespace v0
}  // namespace weft
