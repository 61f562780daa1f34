// What a write of a workflow makes of one row: for stores that have their rows in this process's memory.
#pragma once

#include "src/store/rules/judge.hpp"

namespace weft {
inline namespace v0 {
namespace row_rules {

using time_point = std::chrono::system_clock::time_point;

// A new one.
transaction created(create_write const& w, time_point now);

// Each changes the row, `due` included, if it admits the write (judge). `repeated`: the same write may have been applied before.
write_result extend(transaction& row, extend_write const& w, bool repeated, time_point now);
write_result park(transaction& row, park_write const& w, bool repeated, time_point now);
write_result request(transaction& row, request_write const& w, bool repeated, time_point now);

row_view view_of(transaction const& row);

void set_status(transaction& row, status to, time_point now);

}  // namespace row_rules
}  // namespace v0
}  // namespace weft
