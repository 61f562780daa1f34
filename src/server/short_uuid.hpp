#pragma once

#include <string>

namespace weft {
inline namespace v0 {
namespace server_detail {

// A gid as dtm makes them: 122 random bits (a version 4 UUID) in 22 characters that nobody takes for one another.
std::string short_uuid();

}  // namespace server_detail
}  // namespace v0
}  // namespace weft
