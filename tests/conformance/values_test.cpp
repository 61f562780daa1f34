// Any value that is accepted comes back equal after a crash, from every store: random ones, whose seed says what they were.
#include "tests/support/servers.hpp"
#include "tests/support/temporary_directory.hpp"

#include <weft/open_store.hpp>
#include <weft/testing/environment.hpp>
#include <weft/workflow.hpp>

#include <boost/describe.hpp>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <random>
#include <set>

namespace values_test {

using namespace weft::literals;
// ---------------------------------------------------------------------------------------------------------------------------------
// values of every shape

enum class color : std::uint8_t
{
    red,
    green = 7
};
BOOST_DESCRIBE_ENUM(color, red, green)

struct point
{
    double x = 0;
    float  y = 1.5F;
    bool   operator==(point const&) const = default;
};
BOOST_DESCRIBE_STRUCT(point, (), (x, y))

struct tree
{
    std::string       name;
    std::vector<tree> children;
    bool              operator==(tree const&) const = default;
};
BOOST_DESCRIBE_STRUCT(tree, (), (name, children))

struct empty
{
    bool operator==(empty const&) const = default;
};
BOOST_DESCRIBE_STRUCT(empty, (), ())

struct everything
{
    std::int64_t                               i = 0;
    std::uint64_t                              u = 0;
    signed char                                tiny = 0;
    bool                                       b = false;
    point                                      p;
    std::string                                s;
    color                                      c = color::red;
    weft::bytes                                data;
    boost::json::value                         json;
    tree                                       t;
    empty                                      nothing;
    std::optional<std::optional<std::int32_t>> maybe;
    std::vector<point>                         points;
    std::vector<std::vector<std::string>>      rows;
    std::vector<bool>                          flags;
    std::map<std::string, point>               by_name;
    std::map<std::int32_t, std::string>        by_number;
    std::set<std::string>                      set;
    std::array<double, 3>                      three{};
    std::tuple<std::string, point, bool>       mixed;
    std::optional<tree>                        branch;

    std::variant<std::monostate, std::int64_t, double, std::string, color, point, std::vector<double>, std::optional<std::string>, empty>
        either;

    bool operator==(everything const&) const = default;
};
BOOST_DESCRIBE_STRUCT(everything, (),
                      (i, u, tiny, b, p, s, c, data, json, t, nothing, maybe, points, rows, flags, by_name, by_number, set, three, mixed,
                       branch, either))

class generator
{
public:
    explicit generator(std::uint64_t seed) : random_(seed) { }

    everything value()
    {
        everything e;
        e.i = whole<std::int64_t>();
        e.u = whole<std::uint64_t>();
        e.tiny = whole<signed char>();
        e.b = chance(2);
        e.p = spot();
        e.s = text();
        e.c = any_color();
        for (auto n = size(); n > 0; --n)
            e.data.push_back(static_cast<std::byte>(below(256)));
        e.json = json(chance(50) ? 120 : 4);
        e.t = branches(4);
        if (chance(2))
            e.maybe.emplace();
        if (e.maybe && chance(2))
            e.maybe->emplace(whole<std::int32_t>());
        fill(e.points, [&] { return spot(); });
        fill(e.rows, [&] {
            std::vector<std::string> row;
            fill(row, [&] { return text(); });
            return row;
        });
        fill(e.flags, [&] { return chance(2); });
        for (auto n = size(); n > 0; --n)
        {
            e.by_name.emplace(text(), spot());
            e.by_number.emplace(whole<std::int32_t>(), text());
            e.set.insert(text());
        }
        for (auto& d : e.three)
            d = number();
        e.mixed = {text(), spot(), chance(2)};
        if (chance(2))
            e.branch = branches(2);
        switch (below(9))
        {
        case 1:
            e.either = whole<std::int64_t>();
            break;
        case 2:
            e.either = chance(2) ? number() : std::floor(static_cast<double>(below(1'000)));
            break;
        case 3:
            e.either = chance(2) ? std::string("green") : text();
            break;
        case 4:
            e.either = any_color();
            break;
        case 5:
            e.either = spot();
            break;
        case 6:
            e.either = std::vector<double>(size(), number());
            break;
        case 7:
            e.either = chance(2) ? std::optional<std::string>() : text();
            break;
        case 8:
            e.either = empty();
            break;
        default:
            break;
        }
        return e;
    }

    double number()
    {
        using limits = std::numeric_limits<double>;
        static constexpr double edges[] = {0.0,
                                           -0.0,
                                           limits::denorm_min(),
                                           -limits::denorm_min(),
                                           limits::min(),
                                           limits::max(),
                                           limits::lowest(),
                                           limits::epsilon(),
                                           1e21,
                                           9007199254740993.0};
        if (chance(4))
            return edges[below(std::size(edges))];
        double d = limits::quiet_NaN();
        while (!std::isfinite(d))
        {
            auto const bits = random_();
            std::memcpy(&d, &bits, sizeof d);
        }
        return d;
    }

    std::string text()
    {
        std::string s;
        for (auto n = size(); n > 0; --n)
            append(s, chance(3) ? below(0x80) : chance(2) ? below(0x800) : below(0x110000));
        return s;
    }

    // `depth`: how deep it goes, along one path.
    boost::json::value json(int depth)
    {
        switch (depth > 0 ? 5 + below(2) : below(6))
        {
        case 0:
            return nullptr;
        case 1:
            return chance(2);
        case 2:
            return whole<std::int64_t>();
        case 3:
            return whole<std::uint64_t>();
        case 4:
            return number();
        case 5:
        {
            boost::json::array a;
            if (depth <= 0)
                return a;
            for (auto n = size(); n > 0; --n)
                a.push_back(json(0));
            a.push_back(json(depth - 1));
            return a;
        }
        default:
        {
            boost::json::object o;
            for (auto n = size(); n > 0; --n)
                o[text()] = json(0);
            o[text()] = json(depth - 1);
            return o;
        }
        }
    }

private:
    std::uint64_t below(std::uint64_t n) { return random_() % n; }
    bool          chance(std::uint64_t n) { return below(n) == 0; }
    std::size_t   size() { return chance(20) ? 300 : below(4); }

    template <class T>
    T whole()
    {
        using limits = std::numeric_limits<T>;
        return chance(4) ? limits::min() : chance(4) ? limits::max() : static_cast<T>(random_());
    }
    color any_color() { return chance(3) ? static_cast<color>(below(256)) : chance(2) ? color::red : color::green; }
    point spot()
    {
        auto const f = static_cast<float>(below(1'000'000)) / 7.0F;
        return {number(), chance(8) ? std::numeric_limits<float>::denorm_min() : f};
    }
    tree branches(int depth)
    {
        tree t{text(), {}};
        for (auto n = depth > 0 ? below(3) : 0; n > 0; --n)
            t.children.push_back(branches(depth - 1));
        return t;
    }
    template <class V, class F>
    void fill(V& v, F f)
    {
        for (auto n = below(4); n > 0; --n)
            v.push_back(f());
    }
    static void append(std::string& s, std::uint64_t c)
    {
        if (c >= 0xD800 && c < 0xE000)
            c = 'x';  // half a character
        auto const put = [&](std::uint64_t byte) { s += static_cast<char>(byte); };
        if (c < 0x80)
            put(c);
        else if (c < 0x800)
            put(0xC0 | c >> 6), put(0x80 | (c & 63));
        else if (c < 0x10000)
            put(0xE0 | c >> 12), put(0x80 | (c >> 6 & 63)), put(0x80 | (c & 63));
        else
            put(0xF0 | c >> 18), put(0x80 | (c >> 12 & 63)), put(0x80 | (c >> 6 & 63)), put(0x80 | (c & 63));
    }

    std::mt19937_64 random_;
};

everything made(std::uint64_t seed) { return generator(seed).value(); }

// Equal, and with the same sign of zero.
bool same(everything const& a, everything const& b)
{
    return a == b && weft::detail::encode(a) == weft::detail::encode(b) && std::signbit(a.p.x) == std::signbit(b.p.x);
}

// ---------------------------------------------------------------------------------------------------------------------------------
// a workflow that every value goes through: as input, result, argument, and payload

struct parcel
{
    std::uint64_t seed = 0;
    everything    what;
};
BOOST_DESCRIBE_STRUCT(parcel, (), (seed, what))

struct differs : std::logic_error
{
    using std::logic_error::logic_error;
};
void check(std::uint64_t seed, everything const& e, char const* where)
{
    if (!same(e, made(seed)))
        throw differs("seed " + std::to_string(seed) + ", " + where);
}

everything make(std::uint64_t seed) { return made(seed); }
void       take(std::uint64_t seed, everything e) { check(seed, e, "an argument"); }
void       nothing_to_undo(std::uint64_t) { }
void       refuse(std::uint64_t seed) { throw weft::failure(generator(seed).text(), generator(seed).text(), made(seed)); }

std::string name_of(std::uint64_t seed)
{
    auto name = generator(seed).text().substr(0, 100);
    return weft::detail::is_utf8(name) ? name : "make";
}

weft::workflow<everything> carries(weft::context& wf, parcel p)
{
    check(p.seed, p.what, "the input");
    auto e = co_await wf.step(name_of(p.seed), &make, p.seed);
    check(p.seed, e, "a result");
    co_await wf.saga("take", &take, &take, p.seed, e);
    auto const no = co_await weft::as_outcome(wf.saga("refuse", &refuse, &nothing_to_undo, p.seed));
    check(p.seed, no.error().payload<everything>(), "a payload");
    if (no.error().code() != generator(p.seed).text())
        throw differs("a code");
    if (p.seed % 2 == 1)
        throw no.error();
    co_return e;
}

class Values : public ::testing::TestWithParam<std::string>
{
protected:
    // Every write is followed by a replay from the store; the journal is sealed early.
    weft::testing::environment_options options()
    {
        weft::testing::environment_options o;
        o.engine.replay_always = true;
        o.engine.retry.attempts = 1;
        o.engine.seal_at = 20'000;
        if (GetParam() != "memory")
            o.open_store = [this](std::shared_ptr<weft::clock> c) {
                return weft::open_store(GetParam() == "sqlite" ? directory_.emplace().url("weft.db") : database_.emplace(GetParam()).url(),
                                        {.clock = std::move(c)});
            };
        return o;
    }

    std::optional<temporary_directory> directory_;
    std::optional<server_database>     database_;
};

TEST_P(Values, ComeBackEqualAfterACrash)
{
    weft::testing::environment env(options());
    auto const                 flow = env.add("carries", &carries);
    std::uint64_t const        first = std::getenv("WEFT_FROM") ? std::strtoull(std::getenv("WEFT_FROM"), nullptr, 10) : 1;
    std::uint64_t const        count = GetParam() == "memory" ? 200 : 40;
    auto const                 carry = [&](std::uint64_t seed) {
        parcel p{seed, made(seed)};
        return flow.execute(weft::gid("g" + std::to_string(seed)), p);
    };
    for (auto seed = first; seed < first + count; ++seed)
        for (int again = 0; again < 2; ++again)
        {
            SCOPED_TRACE("seed " + std::to_string(seed));
            auto const r = carry(seed);
            ASSERT_EQ(r.has_error(), seed % 2 == 1);
            ASSERT_TRUE(same(r.has_error() ? r.error().payload<everything>() : *r, made(seed)));
            if (seed % 8 == 0)
                env.crash();
        }
}

std::string                 long_text(std::size_t bytes) { return std::string(bytes - 2, 'x'); }
void                        takes_long_text(std::string) { }
weft::workflow<std::size_t> carries_much(weft::context& wf, std::size_t bytes)
{
    auto const text = co_await wf.step("make", &long_text, bytes);
    co_await wf.saga("take", &takes_long_text, &takes_long_text, text.substr(1));  // a comma goes with it
    co_return text.size();
}

TEST_P(Values, UpToTheLimitOfBytesComeBack)
{
    auto o = options();
    o.engine.payload_limit = 2u << 20;
    weft::testing::environment env(std::move(o));
    auto const                 carries = env.add("carries", &carries_much);
    EXPECT_EQ(carries.execute("g1"_gid, std::size_t{2u << 20}).value(), (2u << 20) - 2);
    carries.submit("g2"_gid, std::size_t{(2u << 20) + 1});
    env.finish();
    EXPECT_EQ(env.query("g2"_gid)->paused_reason, "branch 01 \"make\", action: its result takes 2097153 bytes, the limit is 2097152");
}

INSTANTIATE_TEST_SUITE_P(, Values, ::testing::Values("memory", "sqlite", "postgres", "mysql"), [](auto const& i) { return i.param; });

}  // namespace values_test
