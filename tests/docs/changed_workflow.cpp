// What replay says when the code is no longer the code that was recorded. The report is quoted in docs/coroutines.md.
#include <weft/testing/environment.hpp>

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace {

using namespace weft::literals;
int  order_number(std::string const&) { return 4711; }
void nothing(int) { }

bool changed = false;  // the second release of the program

// The report names the place of the call: here a file and lines that do not move when this file does.
#line 30 "place_order.cpp"
weft::workflow<void> place_order(weft::context& wf, std::string customer)
{
    auto const number = co_await wf.step("number", &order_number, customer);
    if (changed)
        co_await wf.saga("reserve-stock", &nothing, &nothing, number);
    else
        co_await wf.saga("deduct-stock", &nothing, &nothing, number);
    co_await wf.step("notify", &nothing, number);
}

TEST(ChangedWorkflow, PausesWithAReportThatNamesBoth)
{
    weft::testing::environment env;
    auto const                 place = env.add("place-order", &place_order);
    env.on("notify").throws("the mail server is down");
    place.submit("order-1"_gid, std::string("alice"));
    env.settle();  // "notify" is waiting to be sent again
    env.crash();
    changed = true;
    env.finish();
    auto const row = env.query("order-1"_gid);
    ASSERT_TRUE(row);
    EXPECT_EQ(row->status, weft::status::prepared);

    std::ifstream     file(WEFT_DOCS_TESTS "/mismatch.txt");
    std::stringstream expected;
    expected << file.rdbuf();
    auto text = expected.str();
    for (auto& c : text)
        if (c == '\n')
            c = ' ';
    EXPECT_EQ(row->paused_reason + ' ', text);
}

}  // namespace
