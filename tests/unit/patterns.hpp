// A transaction manager of dtm's patterns and its participants, for tests of one pattern, of cancel, and of engines that come and go.
#pragma once

#include "tests/unit/branches.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace patterns_test {

using namespace std::chrono_literals;
using namespace workshop;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using weft::outcome;
using weft::status;

class Patterns : public ::testing::Test, protected managed
{
protected:
    // "no such …" or whatever the refusal says.
    template <class F>
    std::string refusal(F f, weft::misuse::code code)
    {
        try
        {
            f();
            return "none";
        }
        catch (weft::misuse const& e)
        {
            EXPECT_EQ(static_cast<int>(e.which()), static_cast<int>(code)) << e.what();
            return e.what();
        }
    }
};
}  // namespace patterns_test
