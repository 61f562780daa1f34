// A body is a function that takes its input by value and awaits weft's own awaitables only.
// expect: awaits weft's own awaitables and nothing else
// expect: awaits weft's own awaitables and nothing else
// expect: a workflow body is a function: what it needs besides its input are services
// expect: a body takes its input by value
// expect: a body takes weft::context&, then the services given to add, then at most one input
#include <weft/weft.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <string>

boost::asio::awaitable<int> fetch() { co_return 1; }
void                        nothing() { }

weft::workflow<void> body(weft::context& wf, std::string)
{
#if WRONG == 1
    boost::asio::steady_timer timer(boost::asio::system_executor(), std::chrono::seconds(1));
    co_await timer.async_wait(boost::asio::use_awaitable);
#elif WRONG == 2
    co_await fetch();
#else
    co_await wf.step("fetch", &fetch);
#endif
    co_await wf.step("nothing", &nothing);
}

#if WRONG == 4
weft::workflow<void> by_reference(weft::context& wf, std::string const&) { co_await wf.step("nothing", &nothing); }
#endif

void add(weft::engine& engine)
{
    int n = 0;
    engine.add("body", &body);
    engine.add("lambda", [](weft::context& wf) -> weft::workflow<void> { co_await wf.step("nothing", &nothing); });
#if WRONG == 3
    engine.add("capturing", [n](weft::context& wf) -> weft::workflow<void> {
        for (int i = 0; i < n; ++i)
            co_await wf.step("nothing", &nothing);
    });
#elif WRONG == 4
    engine.add("by-reference", &by_reference);
#elif WRONG == 5
    engine.add("body", &body, n, n, n);
#endif
    static_cast<void>(n);
}
