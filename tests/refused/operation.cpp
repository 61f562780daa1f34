// Operations are functions, never closures: phase 2 runs after the body's frame is gone.
// expect: an operation outlives the workflow's frame, so it must not capture
// expect: cannot be a reference: pass the function itself
// expect: a function object with nothing in it, or an adapter
// expect: this operation cannot be called with the branch's arguments
// expect: this operation cannot be called with the branch's arguments
#include <weft/weft.hpp>

#include <functional>
#include <string>

int  charge(std::string account) { return static_cast<int>(account.size()); }
void refund(std::string) { }
void other(int, int) { }

weft::workflow<int> body(weft::context& wf, std::string account)
{
#if defined(RIGHT)
    auto const a = co_await wf.saga("charge", &charge, &refund, account);
    co_return a + co_await wf.step(
                      "again", [](std::string const&) { return 1; }, account);
#elif WRONG == 1
    int const  factor = 2;
    auto const times = [factor](std::string const&) { return factor; };
    co_return co_await wf.step("charge", times, account);
#elif WRONG == 2
    auto const f = std::ref(charge);
    co_return co_await wf.step("charge", f, account);
#elif WRONG == 3
    co_return co_await wf.step("charge", 5, account);
#elif WRONG == 4
    co_return co_await wf.step("charge", &charge, 5);
#elif WRONG == 5
    co_return co_await wf.saga("charge", &charge, &other, account);
#endif
}
