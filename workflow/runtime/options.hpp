// What an engine may be told.
#pragma once

#include <weft/engine.hpp>

namespace weft {
inline namespace v0 {
namespace detail {

// The options, with times that mean for ever made such that can be counted. Throws misuse naming the first that is out of its range.
engine_options checked(engine_options);

void check(operation_limit const& limit, std::string const& name);

}  // namespace detail
}  // namespace v0
}  // namespace weft
