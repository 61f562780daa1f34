// Values: they come back as they went or are refused; and what becomes of recorded ones when their types change.
#include "tests/unit/workshop.hpp"

#include <weft/testing/replay.hpp>

#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <unordered_map>

namespace values_test {

using namespace weft::literals;
using namespace workshop;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using weft::detail::decode;
using weft::detail::encode;
using weft::detail::form;
using weft::testing::environment;

enum class color
{
    red,
    green
};
BOOST_DESCRIBE_ENUM(color, red, green)

struct left
{
    int  a = 0;
    int  b = 0;
    bool operator==(left const&) const = default;
};
BOOST_DESCRIBE_STRUCT(left, (), (a, b))
struct right
{
    int  a = 0;
    int  c = 0;
    bool operator==(right const&) const = default;
};
BOOST_DESCRIBE_STRUCT(right, (), (a, c))

// ---------------------------------------------------------------------------------------------------------------------------------
// the text

template <class T>
void comes_back(T const& v)
{
    EXPECT_EQ(decode<T>(std::string_view(encode(v))), v) << encode(v);
}

TEST(Value, OfANumberComesBackToTheLastBit)
{
    std::mt19937_64 bits(7);
    auto const      check = [](double d) {
        auto const text = encode(d);
        auto const back = decode<double>(std::string_view(text));
        ASSERT_EQ(std::memcmp(&d, &back, sizeof d), 0) << text;
        ASSERT_EQ(text, boost::json::serialize(boost::json::value(d))) << "journals look as they did";
    };
    for (int i = 0; i < 100'000; ++i)
    {
        auto const b = bits();
        double     d = 0;
        std::memcpy(&d, &b, sizeof d);
        if (std::isfinite(d))
            check(d);
    }
    using limits = std::numeric_limits<double>;
    for (double d : {0.0, -0.0, limits::denorm_min(), -limits::denorm_min(), limits::min(), limits::max(), limits::lowest(), 0.1, 1e21,
                     1e22, 9007199254740993.0})
        check(d);
    comes_back(std::numeric_limits<std::int64_t>::min());
    comes_back(std::numeric_limits<std::uint64_t>::max());
    comes_back(std::numeric_limits<float>::denorm_min());
    comes_back(static_cast<signed char>(-128));
    EXPECT_EQ(decode<boost::json::value>(std::string_view("1e-400")), boost::json::value(0.0));
    EXPECT_THROW((void)decode<boost::json::value>(std::string_view("1e400")), weft::misuse);
}

TEST(Value, OfAStringIsWrittenAsBoostDoes)
{
    std::string all;
    for (int c = 0; c < 0x80; ++c)
        all += static_cast<char>(c);
    all += "é漢😀\xf4\x8f\xbf\xbf";
    EXPECT_EQ(encode(all), boost::json::serialize(boost::json::string(all)));
    comes_back(all);
    comes_back(std::string());
    for (auto const* wrong : {"\xff", "caf\xe9", "\xc0\x80", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf4\x90\x80\x80", "\xe2\x82"})
        EXPECT_THROW((void)encode(std::string(wrong)), weft::misuse) << "not UTF-8";
}

TEST(Value, ThatLooksLikeAnotherOneIsToldApart)
{
    using inner = std::optional<int>;
    comes_back(std::optional<inner>());
    comes_back(std::optional<inner>(inner()));
    comes_back(std::optional<inner>(inner(5)));
    comes_back(std::optional<std::optional<inner>>(std::optional<inner>(inner())));
    comes_back(std::optional<boost::json::value>(boost::json::value()));
    comes_back(std::optional<std::map<std::string, int>>(std::map<std::string, int>{{"weft:value", 1}}));
    EXPECT_EQ(encode(std::optional<inner>(inner(5))), "5") << "only where it is needed";

    using v = std::variant<int, double, std::string, left, right, color, std::optional<int>, std::variant<std::string>>;
    for (auto const& one : {v(3), v(3.0), v(std::string("green")), v(left{1, 2}), v(right{1, 2}), v(color::green), v(std::optional<int>()),
                            v(std::optional<int>(3)), v(std::variant<std::string>("x"))})
    {
        auto const back = decode<v>(std::string_view(encode(one)));
        EXPECT_EQ(back.index(), one.index()) << encode(one);
        EXPECT_EQ(back, one);
    }
    EXPECT_EQ(encode(v(right{1, 2})), R"({"a":1,"c":2})");
    EXPECT_EQ(encode(v(color::green)), R"({"weft:alternative":5,"weft:value":"green"})");
    comes_back(static_cast<color>(7));
}

TEST(Value, ThatWouldNotComeBackIsRefused)
{
    auto const why = [](auto const& v) {
        try
        {
            return "taken: " + encode(v);
        }
        catch (weft::misuse const& e)
        {
            return std::string(e.what());
        }
    };
    EXPECT_EQ(why(std::vector<double>{std::nan("")}), "a number that is not finite cannot be recorded");
    EXPECT_EQ(why(boost::json::value{{"x", std::numeric_limits<double>::infinity()}}), "a number that is not finite cannot be recorded");
    boost::json::value deep = 1;
    for (std::size_t i = 0; i < weft::detail::depth_limit; ++i)
        deep = boost::json::array{deep};
    comes_back(deep);
    EXPECT_EQ(why(std::vector<boost::json::value>{deep}),
              "a value whose arrays and objects are nested more than 128 deep cannot be recorded");
}

// ---------------------------------------------------------------------------------------------------------------------------------
// at its limits, through the engine

boost::json::value nested(std::size_t levels)
{
    boost::json::value v = 0.1;
    for (std::size_t i = 0; i < levels; ++i)
        if (i % 2 == 0)
            v = boost::json::array{std::move(v)};
        else
            v = boost::json::object{{"k", std::move(v)}};
    return v;
}
void same_as(boost::json::value v, int levels)
{
    if (v != nested(static_cast<std::size_t>(levels)))
        throw weft::failure("it came back as another value");
}

boost::json::value nested_result(int levels) { return nested(static_cast<std::size_t>(levels)); }

weft::workflow<boost::json::value> deep(weft::context& wf, int levels)
{
    auto v = co_await wf.step("make", &nested_result, levels);
    co_await wf.saga("take", &same_as, &same_as, v, levels);
    co_return v;
}
weft::workflow<void> undoes_deep(weft::context& wf, int levels)
{
    auto const v = co_await wf.step("make", &nested_result, levels);
    co_await wf.saga("take", &same_as, &same_as, v, levels);
    throw weft::failure("no", "deep", v);
}
weft::workflow<void> deep_argument(weft::context& wf, int levels) { co_await wf.step("take", &same_as, nested_result(levels), levels); }

TEST(Value, AsDeepAsTheLimitSurvivesEveryCrash)
{
    weft::testing::environment_options options;
    options.engine.replay_always = true;
    environment env(options);
    auto const  the_deep = env.add("deep", &deep);
    auto const  the_undoes_deep = env.add("undoes-deep", &undoes_deep);
    auto const  limit = static_cast<int>(weft::detail::depth_limit);
    for (int levels : {1, 29, 30, 31, 32, 33, limit - 1, limit})
    {
        auto const n = std::to_string(levels);
        EXPECT_EQ(the_deep.execute(weft::gid("g" + n), levels).value(), nested_result(levels));
        auto const no = the_undoes_deep.execute(weft::gid("u" + n), levels).error();
        EXPECT_EQ(no.reason(), "no") << n;
        EXPECT_EQ(no.payload<boost::json::value>(), nested_result(levels));
    }
}

TEST(Value, DeeperThanTheLimitIsRefusedWithASentence)
{
    environment env;
    auto const  the_deep = env.add("deep", &deep);
    auto const  the_deep_argument = env.add("deep-argument", &deep_argument);
    the_deep.submit("g1"_gid, 129);
    the_deep_argument.submit("g2"_gid, 129);
    env.finish();
    std::string const sentence = "cannot be recorded: a value whose arrays and objects are nested more than 128 deep cannot be recorded";
    EXPECT_EQ(env.query("g1"_gid)->paused_reason, "branch 01 \"make\", action: its result " + sentence);
    EXPECT_EQ(env.query("g2"_gid)->paused_reason, "branch 01 \"take\": its arguments " + sentence);
    EXPECT_EQ(calls_of(env, "take").size(), 0u) << "before anything is sent";
    using boost::json::value;
    EXPECT_THROW((void)env.workflow<value(value)>("deep").execute("g3"_gid, nested_result(129)), weft::misuse);
    EXPECT_FALSE(env.query("g3"_gid));
}

// ---------------------------------------------------------------------------------------------------------------------------------
// a result that is another type than the caller asks for

weft::workflow<std::string> says_hello(weft::context&) { co_return "hello"; }
weft::workflow<left>        gives_left(weft::context&) { co_return left{1, 2}; }
weft::workflow<void>        gives_nothing(weft::context&) { co_return; }

TEST(Value, OfAnotherTypeThanAskedForIsNoMisuse)
{
    environment env;
    auto const  hello = env.add("hello", &says_hello);
    auto const  left = env.add("left", &gives_left);
    auto const  nothing = env.add("nothing", &gives_nothing);
    auto const  why = [](auto ask) {
        try
        {
            ask();
        }
        catch (weft::unreadable_result const& e)
        {
            EXPECT_EQ(e.gid().size(), 2u);
            return std::string(e.what());
        }
        return std::string("answered");
    };
    EXPECT_EQ(why([&] { (void)env.workflow<int()>("hello").execute("g1"_gid); }),
              "the transaction has committed, but its result is not what was asked for: expected int: not a number");
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed);
    EXPECT_EQ(hello.execute("g1"_gid).value(), "hello") << "asked rightly, it answers";

    std::optional<std::exception_ptr> error;
    weft::handle<int()>(env.engine(), "hello").execute("g2"_gid, [&](std::exception_ptr e, int) { error = e; });
    env.run_until([&] { return error.has_value(); });
    EXPECT_THAT(why([&] { std::rethrow_exception(*error); }), StartsWith("the transaction has committed"));

    struct other
    {
        int x;
    };
    EXPECT_THAT(why([&] { (void)env.workflow<std::vector<int>()>("left").execute("g3"_gid); }), HasSubstr("not an array"));
    EXPECT_THAT(why([&] { (void)env.workflow<int()>("nothing").execute("g4"_gid); }), HasSubstr("it returns nothing"));
}

// ---------------------------------------------------------------------------------------------------------------------------------
// types that change under recorded data: `now` has more members than `then`

namespace then {
struct item
{
    std::string sku;
    int         count = 0;
};
BOOST_DESCRIBE_STRUCT(item, (), (sku, count))
struct order
{
    std::string                 id;
    item                        first;
    std::vector<item>           all;
    std::optional<item>         gift;
    std::map<std::string, item> named;
    std::variant<int, item>     either;
    item                        untouched;
};
BOOST_DESCRIBE_STRUCT(order, (), (id, first, all, gift, named, either, untouched))
}  // namespace then

namespace now {
struct item
{
    std::string              sku;
    int                      count = 0;
    std::string              unit = "piece";
    std::vector<std::string> tags;
};
BOOST_DESCRIBE_STRUCT(item, (), (sku, count, unit, tags))
struct order
{
    std::string                 id;
    item                        first;
    std::vector<item>           all;
    std::optional<item>         gift;
    std::map<std::string, item> named;
    std::variant<int, item>     either;
    item                        untouched;
    std::optional<std::string>  note;
};
BOOST_DESCRIBE_STRUCT(order, (), (id, first, all, gift, named, either, untouched, note))
}  // namespace now

template <class Order, class Item>
Order an_order()
{
    Order o;
    o.id = "o-1";
    o.first.sku = "a";
    Item i;
    i.sku = "b";
    i.count = 2;
    o.all = {i, i};
    o.gift = i;
    o.named.emplace("x", i);
    o.either = i;
    return o;
}

template <class Order>
Order looked_up(Order o)
{
    o.first.count = 7;
    return o;
}
template <class Order>
void noop(Order, std::string)
{ }

// The same workflow in both versions of the code; `unit` is what the new one writes into its new member.
template <class Order>
weft::workflow<Order> orders(weft::context& wf, deployed& d, Order o)
{
    auto found = co_await wf.step("look-up", &looked_up<Order>, o);
    if constexpr (requires { found.first.unit; })
        if (d.version == 3)
            found.first.unit = "crate";
    co_await wf.saga("book", &noop<Order>, &noop<Order>, found, std::string("x"));
    co_await wf.tcc("wait", &nothing, &nothing, &nothing);
    co_return found;
}

class Upgrade : public ::testing::Test
{
protected:
    Upgrade()
    {
        env.on_start([this](weft::engine& e) {
            if (d.version == 1)
                e.add("orders", &orders<then::order>, std::ref(d));
            else
                e.add("orders", &orders<now::order>, std::ref(d));
        });
    }

    void begins_with(int version)
    {
        deploy(version);
        env.on("wait").hangs().runs();
        if (version == 1)
            before.submit("g1"_gid, an_order<then::order, then::item>());
        else
            after.submit("g1"_gid, an_order<now::order, now::item>());
        env.settle();
        ASSERT_EQ(calls_of(env, "wait").size(), 1u);
    }
    void deploy(int version)
    {
        env.crash();
        d.version = version;
    }

    deployed    d;
    environment env;

    weft::testing::handle<then::order(then::order)> before{env, "orders"};
    weft::testing::handle<now::order(now::order)>   after{env, "orders"};
};

TEST_F(Upgrade, OldJournalsFitCodeWithNewMembers)
{
    begins_with(1);
    deploy(2);
    auto const o = after.execute("g1"_gid, an_order<now::order, now::item>()).value();
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed);
    EXPECT_EQ(o.first.count, 7);
    EXPECT_EQ(o.first.unit, "piece");
    EXPECT_EQ(o.all.at(1).unit, "piece");
    EXPECT_EQ(o.gift->unit, "piece");
    EXPECT_EQ(o.named.at("x").unit, "piece");
    EXPECT_EQ(std::get<now::item>(o.either).count, 2);
    EXPECT_FALSE(o.note);
    EXPECT_EQ(calls_of(env, "book").size(), 1u) << "nothing is done again";
}

TEST_F(Upgrade, NewJournalsFitTheCodeBefore)
{
    begins_with(2);
    deploy(1);
    auto const o = before.execute("g1"_gid, an_order<then::order, then::item>()).value();
    EXPECT_EQ(o.all.at(1).count, 2);
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::succeed);
}

TEST_F(Upgrade, OldTransactionsCanBeCancelled)
{
    begins_with(1);
    deploy(2);
    env.cancel("g1"_gid);
    env.finish();
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::failed);
    EXPECT_EQ(calls_of(env, "book").back(), "book/compensate");
}

TEST_F(Upgrade, ANewMemberWithAValueOfItsOwnIsAnotherArgument)
{
    begins_with(3);
    deploy(1);
    env.finish();
    EXPECT_THAT(env.query("g1"_gid)->paused_reason,
                StartsWith("replay does not match the journal: branch 02 was recorded as saga \"book\""));
    deploy(3);
    env.resume("g1"_gid);
    EXPECT_EQ(after.execute("g1"_gid, an_order<now::order, now::item>()).value().first.unit, "crate");
}

TEST_F(Upgrade, AnotherInputIsStillAnotherInput)
{
    begins_with(1);
    deploy(2);
    auto other = an_order<now::order, now::item>();
    other.note = "by hand";
    EXPECT_THROW((void)after.execute("g1"_gid, other), weft::misuse);
}

TEST(Digest, LeavesOutWhatHasItsDefaultAndSortsWhatHasNoOrder)
{
    auto const compared = [](auto const& v) {
        std::string text;
        weft::detail::encode_to(text, v, form::compared);
        return text;
    };
    EXPECT_EQ(compared(an_order<then::order, then::item>()), compared(an_order<now::order, now::item>()));
    std::unordered_map<std::string, int> up, down;
    for (int i = 0; i < 100; ++i)
    {
        up.emplace(std::to_string(i), i);
        down.emplace(std::to_string(99 - i), 99 - i);
    }
    EXPECT_EQ(compared(up), compared(down));
    // What a default is belongs to the struct around it.
    now::item plain;
    plain.unit = "";
    EXPECT_EQ(compared(plain), R"({"unit":""})");
}

// What the first version of weft wrote: a digest of all members, whatever their values.
TEST(Digest, OfOldJournalsIsStillKnown)
{
    weft::transaction t;
    t.gid = "g1";
    t.trans_type = "workflow";
    t.workflow = "orders";
    t.input = encode(an_order<then::order, then::item>());
    auto const found = encode(looked_up(an_order<then::order, then::item>()));
    auto const hex = [](std::string const& text) {
        char room[17];
        std::snprintf(room, sizeof room, "%016llx", static_cast<unsigned long long>(weft::detail::digest(text)));
        return std::string(room);
    };
    t.journal = R"({"journal":[{"id":"01","verb":"step","op":"action","name":"look-up","args":")" + hex(t.input + ',') +
                R"(","at":1,"status":"succeed","data":)" + found + R"(},{"id":"02","verb":"saga","op":"action","name":"book","args":")" +
                hex(found + R"(,"x",)") + R"(","at":2,"status":"prepared"},{"id":"02","op":"action","at":3,"status":"succeed"}]})";
    t.position = 3;
    deployed   d;
    auto const replayed =
        weft::testing::replay_transaction(t, [&](weft::engine& e) { e.add("orders", &orders<then::order>, std::ref(d)); });
    EXPECT_TRUE(replayed.matches()) << replayed;
}

struct strict
{
    int a = 0;
    int b = 0;
};
BOOST_DESCRIBE_STRUCT(strict, (), (a, b))
struct renamed
{
    int x = 0;
};
BOOST_DESCRIBE_STRUCT(renamed, (), (x))

}  // namespace values_test

template <>
inline constexpr bool weft::exact_members<values_test::strict> = true;

namespace values_test {

TEST(Value, OfAnotherStructIsRefused)
{
    std::string_view const data = R"({"a":1,"c":2})";
    EXPECT_EQ(decode<left>(data), (left{1, 0}));
    EXPECT_THROW((void)decode<renamed>(data), weft::misuse) << "it shares no member";
    EXPECT_THROW((void)decode<strict>(data), weft::misuse) << "it asks for exactly its members";
    EXPECT_THROW((void)decode<strict>(std::string_view(R"({"a":1})")), weft::misuse);
    EXPECT_EQ(decode<strict>(std::string_view(R"({"a":1,"b":2})")).b, 2);
    EXPECT_EQ(decode<renamed>(std::string_view("{}")).x, 0);
    EXPECT_THROW((void)decode<left>(data, weft::detail::source::foreign), weft::misuse) << "what a service left out is no default";

    // In a variant the closest one, or none.
    using v = std::variant<left, right>;
    EXPECT_EQ(decode<v>(std::string_view(R"({"a":1,"c":2,"new":3})")).index(), 1u);
    EXPECT_EQ(decode<v>(std::string_view(R"({"c":2})")).index(), 1u);
    EXPECT_THROW((void)decode<v>(std::string_view(R"({"a":1})")), weft::misuse);
}

// They are looked at eight and thirty-two bytes at a time.
TEST(Values, TextsAreWrittenAsBoostWritesThemWhereverASignStands)
{
    for (std::size_t size = 1; size != 70; ++size)
        for (std::size_t at = 0; at != size; ++at)
            for (unsigned const c :
                 {0x00u, 0x01u, 0x08u, 0x09u, 0x0au, 0x0cu, 0x0du, 0x1fu, 0x20u, 0x21u, 0x22u, 0x5bu, 0x5cu, 0x5du, 0x7fu})
                for (char const others : {'a', '"', '!'})
                {
                    std::string text(size, others);
                    text[at] = static_cast<char>(c);
                    ASSERT_EQ(encode(text), boost::json::serialize(boost::json::string(text))) << size << ' ' << at << ' ' << c;
                }
}

// With anything in it, as it stands: what is no JSON is refused.
TEST(Values, TextsAreReadAsBoostReadsThemWhereverASignStands)
{
    auto const by_boost = [](std::string const& json) -> std::optional<std::string> {
        boost::json::error_code failed;
        auto const              v = boost::json::parse(json, failed);
        return failed || !v.is_string() ? std::nullopt : std::optional(std::string(v.get_string()));
    };
    auto const by_weft = [](std::string const& json) -> std::optional<std::string> {
        try
        {
            return decode<std::string>(std::string_view(json));
        }
        catch (weft::misuse const&)
        {
            return std::nullopt;
        }
    };
    for (std::size_t size = 0; size != 70; ++size)
        for (std::size_t at = 0; at <= size; ++at)
            for (std::string const& put :
                 {std::string("\""), std::string("\\"), std::string("\\n"), std::string("\\\""), std::string("\n"), std::string(1, '\0'),
                  std::string("\x7f"), std::string("\xff"), std::string("\xe2\x82"), std::string("\xe2\x82\xac"), std::string()})
                for (char const* const end : {"\"", "", "\" ", "\"\"", "\","})
                {
                    auto const json = '"' + std::string(size, 'a').insert(at, put) + end;
                    ASSERT_EQ(by_weft(json), by_boost(json)) << json;
                }
}

TEST(Values, ATextIsUtf8OnlyIfEachOfItsSignsIs)
{
    for (std::size_t before = 0; before != 70; ++before)
        for (std::size_t after : {0u, 1u, 7u, 8u, 31u, 32u, 33u})
        {
            std::string const left(before, 'a'), right(after, 'b');
            ASSERT_EQ(decode<std::string>(std::string_view(encode(left + "\xe2\x82\xac" + right))), left + "\xe2\x82\xac" + right);
            auto const escaped = left + "\xe2\x82\xac\n\xf0\x9f\x98\x80\"" + right;
            ASSERT_EQ(encode(escaped), boost::json::serialize(boost::json::string(escaped)));
            for (char const* const broken : {"\x80", "\xe2\x82", "\xff", "\xc0\x80"})
                ASSERT_THROW((void)encode(left + broken + right), weft::misuse) << before << ' ' << after;
        }
}

}  // namespace values_test
