// Openings that a server never answers are left behind, and are not too many.
#include "src/sql/silence_watch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>

namespace silence_watch_test {

using namespace std::chrono_literals;
using testing::HasSubstr;

std::string opens(weft::detail::silence_watch& watch, std::function<void()> const& how)
{
    try
    {
        watch.open(how, 5ms);
        return "opened";
    }
    catch (std::runtime_error const& e)
    {
        return e.what();
    }
}

TEST(SilenceWatch, LeavesAFewOpeningsBehindAndThenOpensNothingMore)
{
    std::promise<void>          answer;
    auto const                  answered = answer.get_future().share();
    auto const                  watch = std::make_shared<weft::detail::silence_watch>();
    std::function<void()> const never = [answered] { answered.wait(); };
    int                         left = 0;
    while (opens(*watch, never) == "the server takes the connection and does not answer")
        ASSERT_LE(++left, 1'000) << "there is no end of them";
    EXPECT_THAT(opens(*watch, [] {}), HasSubstr("too many"));
    EXPECT_GE(left, 8) << "a few servers that are silent are no reason to stop";

    // The server says something at last.
    answer.set_value();
    auto const limit = std::chrono::steady_clock::now() + 30s;
    while (opens(*watch, [] {}) != "opened")
        ASSERT_LT(std::chrono::steady_clock::now(), limit);
}

}  // namespace silence_watch_test
