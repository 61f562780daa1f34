// What an engine's heartbeat row says of it.
#pragma once

#include <span>
#include <string>

namespace weft {
inline namespace v0 {
namespace sql_store {

// {"pid":PROCESS,"workflows":[NAME,…]}
std::string heartbeat_of(std::span<std::string const> workflows);

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
