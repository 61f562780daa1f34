// Arguments are values: copied into the branch, compared on replay, kept until phase 2.
// expect: an argument is copied into the branch, so it cannot be a reference
// expect: so it cannot be a pointer or a string literal: pass a std::string
// expect: so it cannot be a pointer or a string literal: pass a std::string
// expect: so it cannot be a view: pass a std::string or a std::vector
// expect: name it first
// expect: name it first
#include <weft/weft.hpp>

#include <boost/describe.hpp>

#include <functional>
#include <string>
#include <string_view>

struct order
{
    std::string id;
    int         quantity = 1;
};
BOOST_DESCRIBE_STRUCT(order, (), (id, quantity))

void place(order) { }
void note(std::string) { }

weft::workflow<void> body(weft::context& wf, order o)
{
#if defined(RIGHT)
    order const wanted{"o1", 2};
    co_await wf.step("place", &place, wanted);
    co_await wf.step("place", &place, o);
    co_await wf.step("note", &note, std::string("text"));
#elif WRONG == 1
    co_await wf.step("place", &place, std::ref(o));
#elif WRONG == 2
    co_await wf.step("note", &note, o.id.c_str());
#elif WRONG == 3
    co_await wf.step("note", &note, "text");
#elif WRONG == 4
    co_await wf.step(
        "note", [](std::string_view) {}, std::string_view(o.id));
#elif WRONG == 5
    co_await wf.step("place", &place, order{"o1", 2});
#endif
    co_return;
}

boost::asio::awaitable<void> caller(weft::handle<void(order)> place_order)
{
    order const wanted{"o1", 2};
#if WRONG == 6
    co_await place_order.execute(weft::gid("g1"), order{"o1", 2});
#endif
    co_await place_order.execute(weft::gid("g1"), wanted);
}
