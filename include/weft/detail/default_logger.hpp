/// \file
/// Where warnings go if nobody has said.
#pragma once

#include <memory>

namespace spdlog {
class logger;
}

namespace weft {
inline namespace v0 {
namespace detail {

/// Warnings and errors to stderr, one logger for the whole process. Thread safety: any.
std::shared_ptr<spdlog::logger> default_logger();

}  // namespace detail
}  // namespace v0
}  // namespace weft
