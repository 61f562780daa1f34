// Texts of others, for reasons and logs.
#pragma once

#include <string>

namespace weft {
inline namespace v0 {
namespace detail {

// What is not UTF-8, and NUL, which PostgreSQL keeps in no text, is made readable, and what is longer than anybody reads is
// cut.
std::string readable(std::string text);

}  // namespace detail
}  // namespace v0
}  // namespace weft
