#include <weft/detail/default_logger.hpp>

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

namespace weft {
inline namespace v0 {

std::shared_ptr<spdlog::logger> detail::default_logger()
{
    static std::shared_ptr<spdlog::logger> const logger = [] {
        auto l = std::make_shared<spdlog::logger>("weft", std::make_shared<spdlog::sinks::stderr_sink_mt>());
        l->set_level(spdlog::level::warn);
        return l;
    }();
    return logger;
}

}  // namespace v0
}  // namespace weft
