// What starts a workflow: its input, its copies, the names of transactions.
#include "tests/unit/workshop.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <sstream>

namespace handle_test {

using namespace weft::literals;
using namespace workshop;
using ::testing::IsEmpty;
using weft::testing::environment;

weft::workflow<int> takes_a_number(weft::context& wf, int n) { co_return co_await wf.step("same", &same, n); }

weft::workflow<std::string> takes_a_text(weft::context&, std::string text) { co_return text + '!'; }

weft::workflow<int> may_take_one(weft::context&, std::optional<int> n) { co_return n.value_or(-1); }

TEST(Handle, TellsInputAndResultFromTheBody)
{
    environment env;
    auto const  number = env.engine().add("number", &takes_a_number);
    auto const cleans = env.engine().add("cleans", [](weft::context&) -> weft::workflow<void> { co_return; });
    static_assert(std::is_same_v<decltype(number), weft::handle<int(int)> const>);
    static_assert(std::is_same_v<decltype(cleans), weft::handle<void()> const>);
    EXPECT_EQ(number.name(), "number");
    EXPECT_EQ(&number.engine(), &env.engine());
}

TEST(Handle, IsCopied)
{
    environment            env;
    auto const             number = env.engine().add("number", &takes_a_number);
    std::optional<int>     told;
    weft::handle<int(int)> copy = env.engine().declare<int(int)>("elsewhere");
    copy = number;
    copy.execute("g1"_gid, 5, [&](std::exception_ptr, int n) { told = n; });
    env.run_until([&] { return told.has_value(); });
    EXPECT_EQ(told, 5);
}

TEST(Handle, TakesWhatConvertsToItsInput)
{
    environment env;
    auto const  text = env.add("text", &takes_a_text);
    auto const  maybe = env.add("maybe", &may_take_one);
    EXPECT_EQ(text.execute("g1"_gid, "hello").value(), "hello!");
    EXPECT_EQ(maybe.execute("g2"_gid, 5).value(), 5);
    EXPECT_EQ(maybe.execute("g3"_gid, std::nullopt).value(), -1);
}

// It is not cut to what an int holds.
TEST(Handle, RefusesANumberThatIsTooLarge)
{
    environment env;
    auto const  number = env.add("number", &takes_a_number);
    EXPECT_THROW((void)number.execute("g1"_gid, std::int64_t{1} << 40), weft::misuse);
    EXPECT_THROW((void)number.execute("g2"_gid, std::numeric_limits<std::uint64_t>::max()), weft::misuse);
    EXPECT_THAT(env.list(), IsEmpty());
    EXPECT_EQ(number.execute("g3"_gid, std::int64_t{7}).value(), 7);
}

TEST(Handle, AsksForATransactionLikeItsEngine)
{
    environment env;
    auto const  number = env.add("number", &takes_a_number);
    env.on("same").throws("down");
    number.submit("g1"_gid, 5);
    env.settle();
    std::optional<weft::cancel_answer> cancelled;
    number.of(env.engine()).cancel("g1"_gid, [&](std::exception_ptr, weft::cancel_answer a) {
        cancelled = a;
    });
    env.run_until([&] { return cancelled.has_value(); });
    EXPECT_EQ(cancelled, weft::cancel_answer::accepted);
    env.finish();
    std::optional<weft::status> seen;
    number.of(env.engine()).query("g1"_gid, [&](std::exception_ptr, std::optional<weft::transaction> t) {
        seen = t->status;
    });
    env.run_until([&] { return seen.has_value(); });
    EXPECT_EQ(seen, weft::status::failed);
}

TEST(Gid, IsComparedOrderedAndPrinted)
{
    static_assert(!std::is_convertible_v<std::string, weft::gid> &&
                  !std::is_convertible_v<char const*, weft::gid>);
    static_assert(!std::is_convertible_v<weft::gid, std::string>);
    weft::gid const one("g1");
    EXPECT_EQ(one, "g1"_gid);
    EXPECT_NE(one, "g2"_gid);
    EXPECT_LT(one, "g2"_gid);
    std::ostringstream out;
    out << one;
    EXPECT_EQ(out.str(), "g1");
    EXPECT_EQ(weft::gid("g1").str(), "g1");
}

}  // namespace handle_test
