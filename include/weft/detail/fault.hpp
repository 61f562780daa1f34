// Planted faults: deliberate mistakes that a test build switches on one at a time, to show that a named test catches each
// (design: oracles are proved red). In every other build they are not there at all.
#pragma once

#include <cstdint>

namespace weft {
inline namespace v0 {
namespace detail {

enum class planted : std::uint8_t
{
    none,
    owner_check,            // a write does not look at the owner
    position_check,         // a write does not look at the position it extends
    send_before_flush,      // an operation is sent before the journal that led to it is durable
    decision_after_phase2,  // phase 2 begins before the decision is durable
    undo_in_order,          // rollback undoes the oldest branch first
    undo_failed_too,        // a branch known to have failed is undone as well
    barrier_result,         // a duplicate gets an empty result from the barrier
    seal_count,             // a missing part of a journal goes unnoticed
    answer_before_commit,   // execute answers before the final row is durable
    intent                  // a branch with an undo is sent without an intent
};

#ifdef WEFT_PLANTED_FAULTS
void plant(planted) noexcept;
bool fault(planted) noexcept;
#else
constexpr bool fault(planted) noexcept { return false; }
#endif

}  // namespace detail
}  // namespace v0
}  // namespace weft
