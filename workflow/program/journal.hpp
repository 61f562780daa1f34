// The journal as text: appending entries, and reading them back. One JSON object in the column ext_data,
//     {"journal":[ENTRY,…]}                                  or, once parts were sealed away,
//     {"parts":2,"entries":87,"journal":[ENTRY,…]}
// and an ENTRY is
//     {"id":"01","verb":"saga","op":"action","name":"create-order","args":"9f…","at":1732…,"status":"prepared"}     an intent
//     {"id":"01","op":"action","at":…,"status":"succeed","data":…}                          the outcome of that intent
//     {"id":"02","verb":"step","op":"action","name":"…","at":…,"status":"succeed","data":…} an outcome without an intent
//     {"id":"01","op":"compensate","at":…,"status":"succeed"}                               phase 2
// "status" is prepared, succeed or failed; failed has a "reason", the failure's code and payload as "details" if it has any, and "maybe" if
// an earlier send may have happened.
#pragma once

#include <weft/detail/branch_call.hpp>
#include <weft/store.hpp>

#include <boost/json/value.hpp>

#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

namespace weft {
inline namespace v0 {

struct entry
{
    std::string_view           id;
    operation                  op = operation::action;
    detail::branch_call const* call = nullptr;   // set where the entry names the branch: its first one
    std::int64_t               at = 0;           // milliseconds since 1970, UTC
    unsigned                   send = 1;         // xa only: which send this intent is for
    outcome const*             ended = nullptr;  // null: an intent
    bool                       maybe = false;
};

void append_entry(std::string& out, entry const& e);

// What a row's ext_data looks like before anything is recorded, and after sealing.
inline constexpr std::string_view empty_journal = R"({"journal":[]})";
std::string                       journal_after_sealing(std::uint32_t parts, std::uint64_t entries);

// ext_data is not a journal, or not the whole of one.
class journal_error : public std::runtime_error
{
public:
    using std::runtime_error::runtime_error;
};

struct recorded_branch
{
    enum class state : std::uint8_t
    {
        sent,  // an intent and no outcome
        succeeded,
        failed
    };
    enum class phase2 : std::uint8_t
    {
        open,
        done,
        refused
    };

    std::string               id;
    detail::verb              what = detail::verb::step;
    std::string               name;
    bool                      has_arguments = false;
    std::uint64_t             arguments = 0;
    unsigned                  send = 1;
    state                     is = state::sent;
    bool                      maybe = false;
    boost::json::value const* data = nullptr;
    std::string               reason, details;
    std::int64_t              at = 0;
    phase2                    second = phase2::open;
    std::string               refusal;
};

struct recorded_journal
{
    std::vector<recorded_branch>    branches;     // in the order of their first entries
    std::vector<std::uint32_t>      outcomes;     // of first-phase operations, in the order of the journal: indices of `branches`
    std::uint64_t                   entries = 0;  // in all
    std::uint32_t                   parts = 0;
    std::uint64_t                   sealed_entries = 0;
    std::uint32_t                   open_entries = 0;  // in the unsealed part
    std::int64_t                    last_at = 0;
    std::vector<boost::json::value> documents;  // what `data` points into

    std::unordered_map<std::string, std::size_t> index;  // of ids in `branches`
};

// Errors: journal_error, which says what is wrong and where.
recorded_journal read_journal(transaction const& row);

// The position that a row with so many entries and this status must have.
std::int64_t position_of(std::uint64_t entries, status s) noexcept;

}  // namespace v0
}  // namespace weft
