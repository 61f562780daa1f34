// What one workflow does on the attempt loop: forward, back, and what it leaves in the journal.
#include <weft/testing/environment.hpp>

#include <boost/describe.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace attempt_test {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;
using namespace weft::literals;

struct order
{
    std::string id;
    int         quantity = 1;
};
BOOST_DESCRIBE_STRUCT(order, (), (id, quantity))

void nothing(order) { }
int  twice(int n) { return 2 * n; }
void no_stock(order) { throw weft::failure("out of stock"); }

weft::workflow<int> two_steps(weft::context& wf, int n)
{
    auto const doubled = co_await wf.step("first", &twice, n);
    co_return co_await wf.step("second", &twice, doubled);
}

weft::workflow<void> three_kinds(weft::context& wf, order o)
{
    co_await wf.saga("create-order", &nothing, &nothing, o);
    co_await wf.tcc("deduct-stock", &nothing, &nothing, &nothing, o);
    co_await wf.step("notify", &nothing, o);
}

weft::workflow<void> refused_at_the_end(weft::context& wf, order o)
{
    co_await wf.saga("create-order", &nothing, &nothing, o);
    co_await wf.tcc("deduct-stock", &nothing, &nothing, &nothing, o);
    co_await wf.step("notify", &no_stock, o);
}

TEST(Attempt, ReturnsTheResultOfTheBody)
{
    weft::testing::environment env;
    auto const                 flow = env.add("two-steps", &two_steps);
    EXPECT_EQ(flow.execute("g1"_gid, 5).value(), 20);
    EXPECT_THAT(env.calls(), ElementsAre("first/action", "second/action"));
}

TEST(Attempt, ConfirmsTccWhenTheBodyReturns)
{
    weft::testing::environment env;
    auto const                 flow = env.add("three-kinds", &three_kinds);
    order const                wanted{"o1", 2};
    EXPECT_TRUE(flow.execute("g1"_gid, wanted).has_value());
    EXPECT_THAT(env.calls(), ElementsAre("create-order/action", "deduct-stock/try", "notify/action", "deduct-stock/confirm"));
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed);
}

TEST(Attempt, UndoesInReverseOrderWhenTheBusinessSaysNo)
{
    weft::testing::environment env;
    auto const                 refused = env.add("refused", &refused_at_the_end);
    order const                wanted{"o1", 2};
    auto const                 result = refused.execute("g1"_gid, wanted);
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().reason(), "out of stock");
    EXPECT_THAT(env.calls(),
                ElementsAre("create-order/action", "deduct-stock/try", "notify/action", "deduct-stock/cancel", "create-order/compensate"));
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::failed);
}

TEST(Attempt, WritesOnceForAnOutcomeAndTheNextIntent)
{
    weft::testing::environment env;
    auto const                 flow = env.add("two-steps", &two_steps);
    env.engine();
    env.settle();
    auto const before = env.writes();
    flow.execute("g1"_gid, 5).value();
    EXPECT_EQ(env.writes() - before, 3u) << "create; outcome 1; outcome 2 with the decision and the end";
}

}  // namespace attempt_test
