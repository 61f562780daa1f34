// What an engine tells its user of its own accord: in the log, in the counters, by the callbacks of its
// options.
#pragma once

#include "workflow/runtime/context.hpp"

#include <functional>

namespace weft {
inline namespace v0 {
namespace detail {

// What a callback throws must not keep others from their answers.
void tell(engine_context const& e, std::function<void(transaction const&)> const& callback, transaction const& row);

void report(engine_context const& e, trouble const& t);

}  // namespace detail
}  // namespace v0
}  // namespace weft
