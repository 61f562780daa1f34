// What one gets wrong on the first day: each is said in a sentence.
// expect: does not convert to JSON: describe it with BOOST_DESCRIBE_STRUCT
// expect: does not convert to JSON: describe it with BOOST_DESCRIBE_STRUCT
// expect: does not convert from JSON: describe it with BOOST_DESCRIBE_STRUCT
// expect: does not convert from JSON: describe it with BOOST_DESCRIBE_STRUCT
// expect: takes a service by reference, and add was given the service itself, which it would copy: give it std::ref\(service\)
// expect: takes the services in the order in which add is given them
// expect: a body is a function that takes weft::context& as its first parameter and returns weft::workflow<T>
// expect: a body is a function that takes weft::context& as its first parameter and returns weft::workflow<T>
// expect: a body is a function that takes weft::context& as its first parameter and returns weft::workflow<T>
// expect: an overloaded function or a function template: say which one is meant
// expect: an overloaded function or a function template: say which one is meant
// expect: an overloaded function or a function template: say which one is meant
// expect: an overloaded function or a function template: say which one is meant
// expect: of which each attempt would make a temporary one
// expect: a member \(or a base\) of this struct is not in its BOOST_DESCRIBE_STRUCT and would be lost
// expect: a member \(or a base\) of this struct is not in its BOOST_DESCRIBE_STRUCT and would be lost
#include <weft/sql.hpp>
#include <weft/weft.hpp>

#include <boost/describe.hpp>
#include <boost/operators.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

struct order
{
    std::string id;
    int         quantity = 1;
};
#if !defined(WRONG) || WRONG > 4
BOOST_DESCRIBE_STRUCT(order, (), (id, quantity))
#endif

struct receipt
{
    order        of;
    std::int64_t cents = 0;
    std::string  number;
};
#if WRONG == 15
BOOST_DESCRIBE_STRUCT(receipt, (), (of, number))
#else
BOOST_DESCRIBE_STRUCT(receipt, (), (of, cents, number))
#endif

#if WRONG == 16
struct kept
{
    receipt last;
    int     times = 0;
};
BOOST_DESCRIBE_STRUCT(kept, (), (last))
weft::workflow<void> keeps(weft::context& wf, kept k)
{
    co_await wf.step(
        "number", [](int) {}, k.times);
}
#endif

// A member that is left out on purpose; and others of which the compiler might take one for two, or two for one.
struct looked_up
{
    std::string                id;
    std::optional<order>       found;
    std::array<int, 3>         places{};
    boost::json::value         more;
    std::map<std::string, int> counted;
    int                        times = 0;
};
BOOST_DESCRIBE_STRUCT(looked_up, (), (id, found, places, more, counted))
template <>
inline constexpr bool weft::undescribed_members<looked_up> = true;

// What is empty has nothing to lose.
struct mixed_in
{ };
struct with_bases : mixed_in, boost::totally_ordered<with_bases>
{
    int                            times = 0;
    [[no_unique_address]] mixed_in nothing;
    std::vector<int>               more;
    bool                           operator<(with_bases const& o) const { return times < o.times; }
    bool                           operator==(with_bases const& o) const { return times == o.times; }
};
BOOST_DESCRIBE_STRUCT(with_bases, (), (times, more))

with_bases count(order const&) { return {}; }
receipt    give(order const& o) { return {o, 5, "r1"}; }
looked_up  look_up(order const& o) { return {o.id, o, {}, {}, {}, 1}; }

struct shop
{
    int stock = 0;
};

int  place(order const& o) { return o.quantity; }
void cancel(order const&) { }
int  number(int n) { return n; }
int  twice(int n) { return 2 * n; }
int  twice(std::string const&) { return 2; }
int  take(shop& s, int n) { return s.stock -= n; }
int  take(shop& s, std::string const&) { return s.stock; }
template <class T>
int whatever(T const&)
{
    return 1;
}
int  insert(soci::session&, int n) { return n; }
void insert(soci::session&, std::string const&) { }

weft::workflow<int> body(weft::context& wf, shop& our, weft::database& db, int n)
{
#if WRONG == 1
    order const o{"o1", 2};
    co_await wf.saga("place", &place, &cancel, o);
#elif WRONG == 10
    co_await wf.step("twice", &twice, n);
#elif WRONG == 11
    co_await wf.saga("number", &number, &whatever, n);
#elif WRONG == 12
    co_await wf.step("take", weft::with(our, &take), n);
#elif WRONG == 13
    co_await wf.step("insert", weft::sql(db)(&insert), n);
#else
    co_await wf.step("twice", static_cast<int (*)(int)>(&twice), n);
#if !defined(WRONG) || WRONG > 4
    order const wanted{"o1", 2};
    co_await wf.step("give", &give, wanted);
    co_await wf.step("look-up", &look_up, wanted);
    co_await wf.step("count", &count, wanted);
#endif
    co_await wf.saga(
        "number", &number, [](int m) { whatever(m); }, n);
    co_await wf.step("take", weft::with(our, static_cast<int (*)(shop&, int)>(&take)), n);
    co_await wf.step("insert", weft::sql(db)(static_cast<int (*)(soci::session&, int)>(&insert)), n);
#endif
    co_return co_await wf.step("number", &number, n);
}

weft::workflow<int> takes_a_shop(weft::context& wf, shop& our) { co_return co_await wf.step("number", &number, our.stock); }
weft::workflow<int> looks_at_a_shop(weft::context& wf, shop const& our) { co_return co_await wf.step("number", &number, our.stock); }
#if WRONG == 3
weft::workflow<void> takes_an_order(weft::context& wf, order) { co_await wf.step("number", &number, 1); }
#endif
weft::workflow<int> takes_a_text(weft::context& wf, std::string const& url)
{
    co_return co_await wf.step("number", &number, static_cast<int>(url.size()));
}
weft::workflow<int> without_context(int n) { co_return n; }
weft::workflow<int> context_last(shop&, weft::context& wf) { co_return co_await wf.step("number", &number, 1); }
int                 no_coroutine(weft::context&) { return 1; }

boost::asio::awaitable<void> use(weft::engine& engine, shop& our, weft::database& db)
{
    order const wanted{"o1", 2};
    auto const  place = engine.add("body", &body, std::ref(our), std::ref(db));
    engine.add("takes-a-shop", &takes_a_shop, std::ref(our));
    engine.add("looks-at-a-copy", &looks_at_a_shop, our);
#if WRONG == 2
    co_await engine.declare<int(order)>("takes-an-order").execute(weft::gid("g1"), wanted);
#elif WRONG == 3
    engine.add("takes-an-order", &takes_an_order);
#elif WRONG == 4
    co_await engine.declare<order(int)>("returns-an-order").execute(weft::gid("g1"), 5);
#elif WRONG == 5
    engine.add("takes-the-shop", &takes_a_shop, our);
#elif WRONG == 6
    engine.add("other-order", &body, std::ref(db), std::ref(our));
#elif WRONG == 7
    engine.add("without-context", &without_context);
#elif WRONG == 8
    engine.add("context-last", &context_last, std::ref(our));
#elif WRONG == 9
    engine.add("no-coroutine", &no_coroutine);
#elif WRONG == 14
    engine.add("takes-a-text", &takes_a_text, "http://stock");
#elif WRONG == 16
    engine.add("keeps", &keeps);
#endif
    engine.add("takes-a-text", &takes_a_text, std::string("http://stock"));
    co_await place.execute(weft::gid("g1"), 5, weft::within(std::chrono::seconds(1)), boost::asio::use_awaitable);
    co_await place.submit(weft::gid("g1"), 5, boost::asio::use_awaitable);
    static_cast<void>(wanted);
}
