/// \file
/// Randomness from the machine, for seeds.
#pragma once

#include <cstdint>

namespace weft {
inline namespace v0 {
namespace detail {

std::uint64_t machine_seed();

}  // namespace detail
}  // namespace v0
}  // namespace weft
