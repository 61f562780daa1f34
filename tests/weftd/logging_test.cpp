#include "src/weftd/logging.hpp"
#include "tests/support/temporary_directory.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

using namespace testing;

namespace {

std::string content(std::string const& path)
{
    std::ifstream      in(path);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

weftd::configuration to(std::string const& file)
{
    weftd::configuration c;
    c.log_level = "warn";
    c.log_outputs = {file};
    c.log_rotation_config = "{}";
    return c;
}

}  // namespace

TEST(Logging, WritesLinesInUtcFromTheLevelOn)
{
    temporary_directory dir;
    auto                values = to(dir.file("a.log"));
    values.log_outputs.push_back(dir.file("b.log"));
    {
        auto const logger = weftd::make_logger(values, false);
        logger->info("quiet");
        logger->warn("gid={}: loud", "g1");
    }
    EXPECT_THAT(content(dir.file("a.log")), MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{3}Z warning gid=g1: loud\n"));
    EXPECT_EQ(content(dir.file("a.log")), content(dir.file("b.log")));
    weftd::make_logger(values, true)->debug("everything");
    EXPECT_THAT(content(dir.file("a.log")), HasSubstr("debug everything"));
}

TEST(Logging, ShowsTimesAtTheirOffset)
{
    temporary_directory dir;
    auto                values = to(dir.file("a.log"));
    auto const          hour_at = [&](std::optional<std::chrono::minutes> offset, char const* file) {
        values.log_outputs = {dir.file(file)};
        values.time_zone_offset = offset;
        weftd::make_logger(values, true)->warn("now");
        auto const line = content(dir.file(file));
        return std::make_pair(std::stoi(line.substr(11, 2)), line.substr(23));
    };
    auto const [here, utc] = hour_at(std::nullopt, "utc.log");
    auto const [there, ahead] = hour_at(std::chrono::hours(8), "ahead.log");
    EXPECT_EQ(utc, "Z warning now\n");
    EXPECT_EQ(ahead, "+08:00 warning now\n");
    EXPECT_THAT((there - here + 24) % 24, AnyOf(8, 9));  // or the hour has just ended
}

TEST(Logging, BeginsANewFileWhenOneIsFull)
{
    temporary_directory dir;
    auto                values = to(dir.file("a.log"));
    values.log_rotation = true;
    values.log_rotation_config = R"({"maxsize": 1, "maxbackups": 2})";
    auto const        logger = weftd::make_logger(values, false);
    std::string const line(100'000, 'x');
    for (int i = 0; i < 50; ++i)
        logger->warn(line);
    logger->flush();
    EXPECT_TRUE(std::filesystem::exists(dir.file("a.1.log")));
    EXPECT_TRUE(std::filesystem::exists(dir.file("a.2.log")));
    EXPECT_FALSE(std::filesystem::exists(dir.file("a.3.log")));
    EXPECT_LE(std::filesystem::file_size(dir.file("a.1.log")), 1u << 20);
}

TEST(Logging, GoesOnInANewFileWhenTheOldOneWasMovedAway)
{
    temporary_directory dir;
    for (bool const rotates : {false, true})
    {
        auto values = to(dir.file("a.log"));
        values.log_rotation = rotates;
        auto const logger = weftd::make_logger(values, false);
        logger->warn("before");
        std::filesystem::rename(dir.file("a.log"), dir.file("moved.log"));
        logger->warn("meanwhile");
        weftd::reopen(*logger);
        logger->warn("after");
        EXPECT_THAT(content(dir.file("moved.log")), AllOf(HasSubstr("before"), HasSubstr("meanwhile"), Not(HasSubstr("after"))));
        EXPECT_THAT(content(dir.file("a.log")), MatchesRegex("[0-9T:.-]+Z warning after\n"));
        std::filesystem::remove(dir.file("a.log"));
    }
}

TEST(Logging, NamesAFileThatCannotBeWritten)
{
    EXPECT_THAT([] { weftd::make_logger(to("/proc/nowhere/a.log"), false); },
                ThrowsMessage<std::runtime_error>(AllOf(StartsWith("the log: "), HasSubstr("/proc/nowhere"))));
}

// Whatever others sent: it neither begins a line of its own nor reaches for the terminal of who reads it.
TEST(Logging, WritesOnePrintableLineOfEverything)
{
    temporary_directory dir;
    auto const          shown = [&](std::string const& what) {
        auto const file = dir.file(std::to_string(std::hash<std::string>()(what)));
        weftd::make_logger(to(file), false)->warn("gid={}", what);
        auto const line = content(file);
        return line.substr(line.find("gid=") + 4);
    };
    EXPECT_EQ(shown("a\n2026-01-01T00:00:00.000Z error forged"), "a\\n2026-01-01T00:00:00.000Z error forged\n");
    EXPECT_EQ(shown("\x1b[2J\r\t\x7f"), "\\x1b[2J\\x0d\\x09\\x7f\n");
    EXPECT_EQ(shown("\xc2\x9b"
                    "1m \xe2\x80\xa8 \xe2\x80\xae \xe2\x81\xa6"),
              "\\x9b1m \\u2028 \\u202e \\u2066\n");
    EXPECT_EQ(shown("\xe8\xae\xa2\xe5\x8d\x95 \xc3\xa9 \xe2\x80\xa6"), "\xe8\xae\xa2\xe5\x8d\x95 \xc3\xa9 \xe2\x80\xa6\n");
    EXPECT_EQ(shown("\xff\xe2\x80"), "\\xff\\xe2\\x80\n");
}
