// The log: to stderr, stdout and files, in UTC or so far from it as TimeZoneOffset says.
#pragma once

#include "src/weftd/configuration.hpp"

#include <spdlog/logger.h>

#include <memory>

namespace weftd {

// Errors: std::runtime_error naming the file that cannot be written.
std::shared_ptr<spdlog::logger> make_logger(configuration const&, bool debug);

// Its files, opened anew: whoever rotates logs has moved them away. Thread safety: any thread.
// Errors: as of `make_logger`; the old file is written on then.
void reopen(spdlog::logger& log);

}  // namespace weftd
