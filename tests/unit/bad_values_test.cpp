// Values that cannot be recorded: typed errors, nothing written, and the neighbours in the batch go on.
#include "tests/unit/workshop.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace bad_values_test {

using namespace weft::literals;
using namespace workshop;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using weft::testing::environment;
using weft::testing::environment_options;

std::string latin1(int) { return "caf\xe9"; }
double      not_a_number(int) { return std::numeric_limits<double>::quiet_NaN(); }
std::string huge(int n) { return std::string(static_cast<std::size_t>(n), 'x'); }
int         fine(int n) { return n; }

struct odd
{
    int value = 0;
};
void tag_invoke(boost::json::value_from_tag, boost::json::value& to, odd const& from) { to = from.value; }
odd  tag_invoke(boost::json::value_to_tag<odd>, boost::json::value const&) { throw 42; }

weft::workflow<std::string> gets_latin1(weft::context& wf, int n) { co_return co_await wf.step("it", &latin1, n); }
weft::workflow<double>      gets_nan(weft::context& wf, int n) { co_return co_await wf.step("it", &not_a_number, n); }
weft::workflow<int>         gets_huge(weft::context& wf, int n)
{
    auto const text = co_await wf.step("it", &huge, n);
    co_return static_cast<int>(text.size());
}
weft::workflow<std::string> ends_huge(weft::context&, int n) { co_return std::string(static_cast<std::size_t>(n), 'x'); }
weft::workflow<int>         gives_latin1(weft::context& wf, int n)
{
    co_return co_await wf.step(
        "it", [](std::string const&) { return 1; }, latin1(n));
}
weft::workflow<int> gives_huge(weft::context& wf, int n)
{
    co_return co_await wf.step(
        "it", [](std::string const&) { return 1; }, huge(n));
}
weft::workflow<int> gives_nan(weft::context& wf, int n)
{
    co_return co_await wf.step(
        "it", [](double) { return 1; }, not_a_number(n));
}
weft::workflow<int> bad_name(weft::context& wf, int n) { co_return co_await wf.step(latin1(n), &fine, n); }
weft::workflow<int> long_name(weft::context& wf, int n) { co_return co_await wf.step(std::string(129, 'x'), &fine, n); }
weft::workflow<int> is_fine(weft::context& wf, int n) { co_return co_await wf.step("it", &fine, n); }
weft::workflow<int> takes_odd(weft::context&, odd o) { co_return o.value; }

class BadValue : public ::testing::Test
{
protected:
    static environment_options small()
    {
        environment_options o;
        o.engine.payload_limit = 1000;
        return o;
    }
    BadValue() : env(small()) { env.add("fine", &is_fine); }

    // Runs it beside two others, in the same batches.
    template <class Body>
    std::string pause_of(Body body, int n)
    {
        auto const it = env.add("it", body);
        env.workflow<int(int)>("fine").submit("g0"_gid, 1);
        it.submit("g1"_gid, n);
        env.workflow<int(int)>("fine").submit("g2"_gid, 2);
        env.finish();
        EXPECT_EQ(env.query("g0"_gid)->status, weft::status::succeed);
        EXPECT_EQ(env.query("g2"_gid)->status, weft::status::succeed);
        EXPECT_EQ(env.query("g1"_gid)->status, weft::status::prepared);
        EXPECT_EQ(env.query("g1"_gid)->position, 0) << "nothing was recorded";
        return env.query("g1"_gid)->paused_reason;
    }
    environment env;
};

TEST_F(BadValue, AResultThatIsNoTextPausesAtOnce)
{
    EXPECT_EQ(pause_of(&gets_latin1, 1),
              "branch 01 \"it\", action: its result cannot be recorded: a string that is not UTF-8 cannot be recorded "
              "(use weft::bytes for binary data)");
    EXPECT_EQ(calls_of(env, "it").size(), 3u) << "asking again cannot mend it";
}
TEST_F(BadValue, AResultThatIsNoNumberPausesAtOnce)
{
    EXPECT_EQ(pause_of(&gets_nan, 1),
              "branch 01 \"it\", action: its result cannot be recorded: a number that is not finite cannot be recorded");
}
TEST_F(BadValue, AResultThatIsTooLargePausesAtOnce)
{
    EXPECT_EQ(pause_of(&gets_huge, 2000), "branch 01 \"it\", action: its result takes 2002 bytes, the limit is 1000");
}
TEST_F(BadValue, AResultOfTheWorkflowThatIsTooLargePauses)
{
    EXPECT_EQ(pause_of(&ends_huge, 2000), "its result takes 2002 bytes, the limit is 1000");
}
TEST_F(BadValue, AnArgumentThatIsNoTextPauses) { EXPECT_THAT(pause_of(&gives_latin1, 1), HasSubstr("a string that is not UTF-8")); }
TEST_F(BadValue, AnArgumentThatIsNoNumberPauses) { EXPECT_THAT(pause_of(&gives_nan, 1), HasSubstr("a number that is not finite")); }
TEST_F(BadValue, AnArgumentThatIsTooLargePauses)
{
    EXPECT_EQ(pause_of(&gives_huge, 2000), "branch 01 \"it\": its arguments take 2003 bytes, the limit is 1000");
}
TEST_F(BadValue, ANameThatIsNoTextPauses)
{
    EXPECT_EQ(pause_of(&bad_name, 1), "branch 01: its name is longer than 128 bytes or not UTF-8");
}
TEST_F(BadValue, ANameThatIsTooLongPauses)
{
    EXPECT_EQ(pause_of(&long_name, 1), "branch 01: its name is longer than 128 bytes or not UTF-8");
}

TEST_F(BadValue, AnInputThatIsTooLargeIsRefused)
{
    EXPECT_THROW((void)env.workflow<int(std::string)>("fine").execute("g1"_gid, std::string(2000, 'x')), weft::misuse);
    EXPECT_THAT(env.list(), IsEmpty());
}

TEST_F(BadValue, AnInputThatIsNoTextIsRefusedWhereItIsGiven)
{
    EXPECT_THROW(weft::handle<int(std::string)>(env.engine(), "fine").submit("g1"_gid, std::string("caf\xe9"), [](std::exception_ptr) {}),
                 weft::misuse);
    EXPECT_THAT(env.list(), IsEmpty());
}

TEST_F(BadValue, AConversionThatThrowsSomethingElseIsRefusedToo)
{
    env.add("odd", &takes_odd);
    EXPECT_THROW((void)env.workflow<int(int)>("odd").execute("g1"_gid, 5), weft::misuse);
    EXPECT_THAT(env.list(), IsEmpty());
}

TEST_F(BadValue, AWrongSubmissionIsThrownByFinish)
{
    env.workflow<void()>("nobody-knows-it").submit("g1"_gid);
    EXPECT_THROW(env.finish(), weft::misuse);
}

// A conversion that a user wrote, with what Boost.JSON throws: that says in which of its files it was thrown.
struct strict
{
    int value = 0;
};
strict tag_invoke(boost::json::value_to_tag<strict>, boost::json::value const& v)
{
    return {boost::json::value_to<int>(v.as_object().at("value"))};
}
void tag_invoke(boost::json::value_from_tag, boost::json::value& to, strict const& from) { to = {{"value", from.value}}; }

struct holds_one
{
    strict inner;
};
BOOST_DESCRIBE_STRUCT(holds_one, (), (inner))

template <class T>
std::string said_of(std::string_view text)
{
    try
    {
        (void)weft::detail::decode<T>(text);
        return "none";
    }
    catch (weft::misuse const& e)
    {
        return e.what();
    }
}

TEST(Conversion, SaysWhatIsWrongAndNotWhereALibraryFoundIt)
{
    for (auto const& said : {said_of<strict>(R"({"valu":1})"), said_of<strict>("[]"), said_of<strict>(R"({"value":"x"})"),
                             said_of<holds_one>(R"({"inner":5})")})
    {
        EXPECT_THAT(said, HasSubstr("expected "));
        EXPECT_THAT(said, ::testing::Not(HasSubstr("/"))) << "no path";
        EXPECT_THAT(said, ::testing::Not(HasSubstr(".hpp")));
        EXPECT_THAT(said, ::testing::Not(HasSubstr("boost")));
    }
    EXPECT_THAT(said_of<holds_one>(R"({"inner":5})"), HasSubstr("member \"inner\": "));
}

}  // namespace bad_values_test
