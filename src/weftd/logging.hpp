// The log: to stderr, stdout and files, in UTC or so far from it as TimeZoneOffset says.
#pragma once

#include "src/weftd/configuration.hpp"

#include <spdlog/logger.h>

#include <memory>

namespace weftd {

// Errors: std::runtime_error naming the file that cannot be written.
std::shared_ptr<spdlog::logger> make_logger(configuration const&, bool debug);

}  // namespace weftd
