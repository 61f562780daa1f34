// Which writes a row admits: the rules that every store follows, whatever it keeps its rows in.
#pragma once

#include <weft/store.hpp>

namespace weft {
inline namespace v0 {
namespace row_rules {

// A row as a judgement looks at it. Views: of something that outlives the judgement.
struct row_view
{
    std::string_view                      owner, trans_type, workflow, input, custom_data, query_prepared, protocol, options;
    std::string_view                      result, reason, last_error, paused_reason;
    std::string_view                      status;   // as stored: it may be one that this version does not know
    std::string_view                      journal;  // what has not been sealed
    std::int64_t                          position = 0;
    std::uint32_t                         sends = 0;
    bool                                  cancel_requested = false;
    std::chrono::system_clock::time_point created{};
    std::span<branch_op const> ops;  // for creations and records that are repeated, and for registrations: those that the write names
};

struct verdict
{
    bool         accepted = false;  // it is to be applied
    write_result result{};          // what the caller is told

    std::vector<branch_op> news{};  // of a registration that is accepted: what is not there already
};

// `row`: null where there is none. `alive`: the engine that the write gives a lease to is listed; true where it gives none.
// `repeated`: the first answer was lost. Then `done` is also what has been applied already: *our* bytes stand there (I5), and not only
// something of the same length.
verdict judge(create_write const&, row_view const* row, bool alive, bool repeated);
verdict judge(extend_write const&, row_view const* row, bool alive, bool repeated);
verdict judge(park_write const&, row_view const* row, bool alive, bool repeated);
verdict judge(record_write const&, row_view const* row, bool alive, bool repeated);
verdict judge(register_write const&, row_view const* row, bool alive, bool repeated);
verdict judge(decide_write const&, row_view const* row, bool alive, bool repeated);
verdict judge(request_write const&, row_view const* row, bool alive, bool repeated);

// Why no store keeps this write: a text in it that is not UTF-8, or holds a NUL character. Some would keep it and others would not, nor say which
// of a batch it was. Empty: they do. (Payloads of operations are bytes.)
std::string unstorable(write const&);
bool        is_storable(std::string_view text) noexcept;

// True if the row looks as this extension leaves it.
bool shows(row_view const&, extend_write const&);

// Two operations of one branch by the same name: no table takes them, and no store.
bool                         names_one_twice(std::span<branch_op const> ops);
inline constexpr char const* named_twice = "two operations of a branch have the same name";

}  // namespace row_rules
}  // namespace v0
}  // namespace weft
