// What an engine has logged, for tests: "level text" a line.
#pragma once

#include <spdlog/logger.h>
#include <spdlog/sinks/ostream_sink.h>

#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace workshop {

class log_lines
{
public:
    log_lines() { sink_->set_pattern("%l %v"); }

    std::shared_ptr<spdlog::logger> logger() const { return std::make_shared<spdlog::logger>("weft", sink_); }

    std::vector<std::string> with(std::string const& text) const
    {
        std::vector<std::string> found;
        std::istringstream       all(log_.str());
        for (std::string line; std::getline(all, line);)
            if (line.find(text) != std::string::npos)
                found.push_back(line);
        return found;
    }

private:
    std::ostringstream                              log_;
    std::shared_ptr<spdlog::sinks::ostream_sink_mt> sink_ = std::make_shared<spdlog::sinks::ostream_sink_mt>(log_);
};

}  // namespace workshop
