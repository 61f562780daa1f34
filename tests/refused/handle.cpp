// A handle knows the workflow's input and result, and a transaction's name is no other string.
// expect: first comes the transaction's name, which is a weft::gid
// expect: first comes the transaction's name, which is a weft::gid
// expect: this is not the workflow's input
// expect: this is not the workflow's input
// expect: this is not the workflow's input
// expect: the input is missing
// expect: the input is missing
// expect: this workflow takes no input
// expect: this workflow takes no input
// expect: after the gid and the input come until\(...\) or within\(...\), then a completion token
// expect: after the gid and the input come until\(...\) or within\(...\), then a completion token
// expect: after the gid and the input come until\(...\) or within\(...\), then a completion token
// expect: after the gid and the input comes a completion token
// expect: a handle names the workflow's result and its input
// expect: a workflow's input and result are values
// expect: no matching function for call to .*query
// expect: name it first. An aggregate
// expect: after the session come the gid, and the input if the workflow takes one
#include <weft/sql.hpp>
#include <weft/weft.hpp>

#include <boost/describe.hpp>

#include <chrono>
#include <string>

struct order
{
    std::string id;
    int         quantity = 1;
};
BOOST_DESCRIBE_STRUCT(order, (), (id, quantity))

int  number(int n) { return n; }
void nothing() { }

weft::workflow<int> place_order(weft::context& wf, int& places, order o)
{
    co_return co_await wf.step("number", &number, o.quantity + places);
}
weft::workflow<void> clean_up(weft::context& wf) { co_await wf.step("nothing", &nothing); }

boost::asio::awaitable<void> use(weft::engine& engine, soci::session& sql, int& places)
{
    using namespace std::chrono_literals;
    using namespace weft::literals;
    weft::handle<int(order)> const      place = engine.add("place-order", &place_order, std::ref(places));
    weft::handle<void()> const          clean = engine.add("clean-up", &clean_up);
    weft::handle<void(long long)> const count = engine.declare<void(long long)>("count");
    order const                         wanted{"o1", 2};
    std::string const                   name = "g1";
#if defined(RIGHT)
    int n = co_await place.execute(weft::gid(wanted.id), wanted);
    n += co_await place.execute("g1"_gid, wanted, weft::until(weft::wait::decided).within(5s),
                                boost::asio::use_awaitable);
    n += place.execute("g1"_gid, order{"o1", n}, weft::blocking);
    place.execute("g1"_gid, order{"o1", 2}, weft::within(5s), [](std::exception_ptr, int) {});
    place.submit_within(sql, "g1"_gid, wanted);
    co_await clean.execute("g2"_gid, weft::within(5s));
    clean.submit_within(sql, "g2"_gid);
    co_await count.submit("g3"_gid, n);
    co_await place.cancel("g1"_gid);
    auto copy = place;
    copy = place;
#elif WRONG == 1
    co_await place.execute("g1", wanted);
#elif WRONG == 2
    co_await place.submit(name, wanted);
#elif WRONG == 3
    co_await place.execute("g1"_gid, name);
#elif WRONG == 4
    co_await count.submit("g1"_gid, 2.5);
#elif WRONG == 5
    place.submit_within(sql, "g1"_gid, 5);
#elif WRONG == 6
    co_await place.execute("g1"_gid);
#elif WRONG == 7
    place.submit_within(sql, "g1"_gid);
#elif WRONG == 8
    co_await clean.execute("g1"_gid, wanted);
#elif WRONG == 9
    co_await clean.submit("g1"_gid, 5);
#elif WRONG == 10
    co_await place.execute("g1"_gid, wanted, wanted);
#elif WRONG == 11
    co_await place.execute("g1"_gid, wanted, weft::within(5s), 6);
#elif WRONG == 12
    co_await place.execute("g1"_gid, wanted, weft::within(5s), boost::asio::use_awaitable, 7);
#elif WRONG == 13
    co_await place.submit("g1"_gid, wanted, weft::within(5s));
#elif WRONG == 14
    engine.declare<order>("place-order");
#elif WRONG == 15
    engine.declare<void(order const&)>("place-order");
#elif WRONG == 16
    co_await engine.query("g1");
#elif WRONG == 17
    co_await place.execute("g1"_gid, order{"o1", 2});
#elif WRONG == 18
    place.submit_within(sql, "g1"_gid, wanted, 5);
#endif
    static_cast<void>(count);
    static_cast<void>(clean);
    co_return;
}
