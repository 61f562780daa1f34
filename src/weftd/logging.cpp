#include "src/weftd/logging.hpp"

#include <weft/detail/utc_offset.hpp>

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <functional>
#include <mutex>

namespace weftd {

namespace {

// A file that somebody else may have moved away: it can be opened anew.
class file_sink final : public spdlog::sinks::base_sink<std::mutex>
{
public:
    explicit file_sink(std::function<spdlog::sink_ptr()> open) : open_(std::move(open)), file_(open_()) { }

    void reopen()
    {
        std::lock_guard lock(mutex_);
        auto            fresh = open_();
        fresh->set_formatter(formatter_->clone());
        file_ = std::move(fresh);
    }

private:
    void sink_it_(spdlog::details::log_msg const& line) override { file_->log(line); }
    void flush_() override { file_->flush(); }
    void set_formatter_(std::unique_ptr<spdlog::formatter> formatter) override
    {
        file_->set_formatter(formatter->clone());
        formatter_ = std::move(formatter);
    }

    std::function<spdlog::sink_ptr()> open_;
    spdlog::sink_ptr                  file_;
};

spdlog::sink_ptr sink_for(std::string const& output, configuration const& values)
{
    if (output == "stderr")
        return std::make_shared<spdlog::sinks::stderr_sink_mt>();
    if (output == "stdout")
        return std::make_shared<spdlog::sinks::stdout_sink_mt>();
    if (!values.log_rotation)
        return std::make_shared<file_sink>([output] { return std::make_shared<spdlog::sinks::basic_file_sink_st>(output); });
    auto const r = read_rotation(values.log_rotation_config);
    return std::make_shared<file_sink>(
        [output, r] { return std::make_shared<spdlog::sinks::rotating_file_sink_st>(output, r.megabytes << 20, r.files); });
}

// Lines with the time so far from UTC.
class at_offset final : public spdlog::formatter
{
public:
    explicit at_offset(std::chrono::minutes offset)
        : offset_(offset)
        , lines_("%Y-%m-%dT%H:%M:%S.%e" + (offset.count() == 0 ? "Z" : weft::detail::utc_offset_text(offset)) + " %l %v",
                 spdlog::pattern_time_type::utc)
    { }

    void format(spdlog::details::log_msg const& line, spdlog::memory_buf_t& to) override
    {
        auto moved = line;
        moved.time += offset_;
        lines_.format(moved, to);
    }
    std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<at_offset>(offset_); }

private:
    std::chrono::minutes      offset_;
    spdlog::pattern_formatter lines_;
};

}  // namespace

std::shared_ptr<spdlog::logger> make_logger(configuration const& values, bool debug)
try
{
    std::vector<spdlog::sink_ptr> sinks;
    for (auto const& output : values.log_outputs)
        sinks.push_back(sink_for(output, values));
    auto logger = std::make_shared<spdlog::logger>("weftd", sinks.begin(), sinks.end());
    logger->set_formatter(std::make_unique<at_offset>(values.time_zone_offset.value_or(std::chrono::minutes(0))));
    logger->set_level(debug ? spdlog::level::debug : spdlog::level::from_str(values.log_level));
    logger->flush_on(spdlog::level::info);
    return logger;
}
catch (spdlog::spdlog_ex const& e)
{
    throw std::runtime_error(std::string("the log: ") + e.what());
}

void reopen(spdlog::logger& log)
try
{
    for (auto const& sink : log.sinks())
        if (auto* const file = dynamic_cast<file_sink*>(sink.get()))
            file->reopen();
}
catch (spdlog::spdlog_ex const& e)
{
    throw std::runtime_error(std::string("the log: ") + e.what());
}

}  // namespace weftd
