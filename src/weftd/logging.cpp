#include "src/weftd/logging.hpp"

#include <weft/detail/json_text.hpp>
#include <weft/detail/utc_offset.hpp>

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <cstdio>
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

// The character that begins here, if it is one that ends lines or turns the direction of writing; else 0.
unsigned layout_character(std::string_view text)
{
    if (text.size() < 3 || text[0] != '\xe2')
        return 0;
    auto const     bits = [&](std::size_t at) { return static_cast<unsigned char>(text[at]) & 0x3fu; };
    unsigned const c = 0x2000u | bits(1) << 6 | bits(2);
    return (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ? c : 0;
}

// One line that shows all that it has: gids, reasons and addresses are what others sent.
std::string printable(std::string_view text)
{
    std::string out;
    auto const  add = [&](char const* format, unsigned what) {
        char room[8];
        std::snprintf(room, sizeof room, format, what);
        out += room;
    };
    bool const is_text = weft::detail::is_utf8(text);
    for (std::size_t i = 0; i < text.size(); ++i)
    {
        auto const byte = [&](std::size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0xffu; };
        auto const c = byte(i);
        if (c == '\n')
            out += "\\n";
        else if (c < ' ' || c == 0x7f || (c >= 0x80 && !is_text))
            add("\\x%02x", c);
        else if (c == 0xc2 && byte(i + 1) < 0xa0)  // of Latin-1
            add("\\x%02x", byte(++i));
        else if (auto const l = layout_character(text.substr(i)))
        {
            add("\\u%04x", l);
            i += 2;
        }
        else
            out += text[i];
    }
    return out;
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
        auto const text = printable({line.payload.data(), line.payload.size()});
        moved.payload = text;
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
{
    std::string wrong;
    for (auto const& sink : log.sinks())
        try
        {
            if (auto* const file = dynamic_cast<file_sink*>(sink.get()))
                file->reopen();
        }
        catch (spdlog::spdlog_ex const& e)
        {
            wrong += (wrong.empty() ? "" : "; ") + std::string(e.what());
        }
    if (!wrong.empty())
        throw std::runtime_error("the log stays where it was: " + wrong);
}

}  // namespace weftd
