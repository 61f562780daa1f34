// What an engine's heartbeat row says of it.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace weft {
inline namespace v0 {
namespace sql_store {

// What an engine that goes releases in one transaction, and how often: others see to the rest.
inline constexpr std::size_t portion_at_the_end = 1'000;
inline constexpr int         portions_at_the_end = 20;

// {"pid":PROCESS,"workflows":[NAME,…]}
std::string heartbeat_of(std::span<std::string const> workflows);

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
